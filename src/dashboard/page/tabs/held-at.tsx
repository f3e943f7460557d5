import type { Holder } from '../orders.tsx';
import type { Held } from './held-models.tsx';

/** A model of `/ollana/api/models`, with its copies. */
export interface Copy {
  readonly name: string;
  readonly digest: string;
  readonly servers: readonly (Holder & {
    readonly size: number | null;
    readonly loaded: boolean;
    readonly digest: string;
  })[];
}

/** The same by server: servers by name, models as they came. Pure. */
export function heldAt(
  models: readonly Copy[],
): readonly { readonly holder: Holder; readonly models: readonly Held[] }[] {
  const servers = new Map<string, { holder: Holder; models: Held[] }>();
  for (const { name: model, digest, servers: copies } of models)
    for (const copy of copies) {
      const { url, name, size, loaded } = copy;
      const at = servers.get(url) ?? { holder: { name, url }, models: [] };
      at.models.push({ model, size, loaded, differs: copy.digest !== digest });
      servers.set(url, at);
    }
  return [...servers.values()].sort((a, b) => a.holder.name.localeCompare(b.holder.name));
}
