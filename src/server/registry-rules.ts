import { DEFAULT_REGISTRY, registryOf } from '../ollama/names.ts';

/** What of a request names a model that Ollama would fetch from a registry, or send to one. */
export interface RegistryRequest {
  readonly path: string;
  /** The model as the peer spelled it. */
  readonly model: string | undefined;
  /** What a create starts from; Ollama pulls it where it is not there. */
  readonly source: string | undefined;
}

/**
 * Why a peer that may manage models may not have this one moved: it names a registry that nobody has allowed, and what
 * comes from there is run here. Undefined where it may. `allowed` is as `registryOf` gives it. Pure.
 */
export function judgeRegistry(
  { path, model, source }: RegistryRequest,
  allowed: ReadonlySet<string>,
): string | undefined {
  const named =
    path === '/api/create' ? source : path === '/api/pull' || path === '/api/push' ? model : undefined;
  if (named === undefined) return undefined;
  const registry = registryOf(named);
  if (registry === DEFAULT_REGISTRY || allowed.has(registry)) return undefined;
  return `${named} names the registry ${registry}, so it is refused from other machines; the owner of this one can allow it with \`ollana serve --allow manage --allow-registry ${registry}\``;
}
