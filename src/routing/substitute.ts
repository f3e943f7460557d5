import type { Substitution } from '../config/substitute.ts';
import type { Pool, PoolServer } from '../fleet/pool.ts';
import { isReached } from '../fleet/verdict-rules.ts';
import type { TagRow } from '../ollama/lists.ts';
import { modelKey } from '../ollama/names.ts';

/**
 * The model to ask instead of `wanted`, as its server lists it; undefined: ask for the wanted one. There is one when
 * the wanted model is in the memory of no server that is reached, so that it would have to be loaded or is not there
 * at all; one that is loaded and busy is waited for. What takes its place is loaded at such a server: the first of
 * the user's pairs, else of its family the one with fewest requests at its server, then the one nearest in size.
 * This machine's own Ollama counts only when there is no other. Pure.
 */
export function substituteFor(wanted: string, rule: Substitution, pool: Pool): string | undefined {
  const reached = pool.filter(({ verdict }) => isReached(verdict));
  const others = reached.filter(({ kind }) => kind !== 'local');
  const servers = others.length > 0 ? others : reached;
  const key = modelKey(wanted);
  if (servers.some((server) => server.loadedKeys.has(key))) return undefined;
  const loaded = servers.flatMap(loadedRows);
  for (const pair of rule.pairs) {
    if (modelKey(pair.wanted) !== key) continue;
    const found = loaded.find(({ row }) => row.key === modelKey(pair.other));
    if (found) return found.row.name;
  }
  return rule.sameFamily ? relative(key, servers, loaded) : undefined;
}

interface Loaded {
  readonly row: TagRow;
  readonly server: PoolServer;
}

function loadedRows(server: PoolServer): readonly Loaded[] {
  const rows = server.tags?.filter(({ key }) => server.loadedKeys.has(key)) ?? [];
  return rows.map((row) => ({ row, server }));
}

function relative(
  key: string,
  servers: readonly PoolServer[],
  loaded: readonly Loaded[],
): string | undefined {
  const own = servers.flatMap(({ tags }) => tags ?? []).find((row) => row.key === key);
  const family = own && familyOf(own);
  if (!own || family === undefined) return undefined;
  const distance = ({ row }: Loaded) => Math.abs(sizeOf(row) - sizeOf(own));
  const [best] = loaded
    .filter(({ row }) => familyOf(row) === family && isTalker(row))
    .sort((a, b) => a.server.inFlight - b.server.inFlight || distance(a) - distance(b));
  return best?.row.name;
}

function familyOf({ raw }: TagRow): string | undefined {
  const { family } = (raw.details ?? {}) as { family?: unknown };
  return typeof family === 'string' && family !== '' ? family.toLowerCase() : undefined;
}

/** Embedding models are of the same families; an older Ollama does not tell which they are, but their names do. */
function isTalker({ name, raw }: TagRow): boolean {
  const { capabilities } = raw;
  return Array.isArray(capabilities) ? capabilities.includes('completion') : !/embed/i.test(name);
}

function sizeOf({ raw }: TagRow): number {
  return typeof raw.size === 'number' ? raw.size : 0;
}
