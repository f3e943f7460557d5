import type { Pool, PoolServer } from '../fleet/pool.ts';
import { isReached } from '../fleet/verdict-rules.ts';
import type { PsRow, TagRow } from '../ollama/lists.ts';
import { rank } from '../routing/policy.ts';

/** What `ollana models` prints and `GET /ollana/api/models` answers. */
export interface ModelReport {
  readonly models: readonly ModelStatus[];
}

/** One model over all servers; what its copies differ in is that of the copy which `/api/tags` shows. */
export interface ModelStatus {
  readonly name: string;
  /** Bytes on disk; null where no list tells. */
  readonly size: number | null;
  /** As Ollama gives it; empty where no list tells. */
  readonly digest: string;
  /** Of the newest copy, as its server wrote it; empty where no list tells. */
  readonly modifiedAt: string;
  /** By name. */
  readonly servers: readonly ModelCopy[];
}

/** A model at one server. */
export interface ModelCopy {
  readonly name: string;
  readonly deviceId: string;
  /** The address in use. */
  readonly url: string;
  /** Bytes on disk; null where its list does not tell. */
  readonly size: number | null;
  readonly digest: string;
  readonly loaded: boolean;
  /** Tokens; this and what follows is null where the model is not loaded, or the server does not tell. */
  readonly contextLength: number | null;
  /** Bytes in GPU memory. */
  readonly sizeVram: number | null;
  /** When it is unloaded, as its server wrote it. */
  readonly expiresAt: string | null;
}

interface Found {
  readonly server: PoolServer;
  readonly tag: TagRow | undefined;
  readonly ps: PsRow | undefined;
}

/**
 * Every model that is installed or loaded somewhere, by name, out of what the servers last said. Spellings of one
 * name are one model. A server that nobody reaches is left out unless there is no other, as in `/api/tags`. Pure.
 */
export function modelReport(pool: Pool): ModelReport {
  const byKey = new Map<string, Found[]>();
  for (const server of answering(pool)) {
    const tags = new Map(server.tags?.map((row) => [row.key, row]));
    const loaded = new Map(server.ps?.map((row) => [row.key, row]));
    for (const key of new Set([...tags.keys(), ...loaded.keys()])) {
      const found = { server, tag: tags.get(key), ps: loaded.get(key) };
      const before = byKey.get(key);
      if (before) before.push(found);
      else byKey.set(key, [found]);
    }
  }
  return {
    models: [...byKey.values()].map(modelStatus).sort((a, b) => a.name.localeCompare(b.name, 'en')),
  };
}

/** In the order in which a request would go to them. */
function answering(pool: Pool): readonly PoolServer[] {
  const order = rank(pool, { modelKey: undefined, tried: new Set(), turn: 0 }).map(({ server }) => server);
  const there = order.filter(({ verdict }) => isReached(verdict));
  return there.length > 0 ? there : order;
}

function modelStatus(found: readonly Found[]): ModelStatus {
  // One that runs a model it no longer lists has nothing to say about what is on a disk.
  const copies = [...found.filter(({ tag }) => tag), ...found.filter(({ tag }) => !tag)];
  const [first] = copies;
  return {
    name: first?.tag?.name ?? first?.ps?.name ?? '',
    size: numberIn(first?.tag?.raw.size),
    digest: first ? digestOf(first) : '',
    modifiedAt: copies.map(({ tag }) => tag?.modifiedAt ?? '').reduce(newer, ''),
    // By name: the order of routing changes from one look to the next.
    servers: copies.map(copyAt).sort((a, b) => a.name.localeCompare(b.name, 'en')),
  };
}

function copyAt(found: Found): ModelCopy {
  const { server, tag, ps } = found;
  return {
    name: server.name,
    deviceId: server.deviceId,
    url: server.url,
    size: numberIn(tag?.raw.size),
    digest: digestOf(found),
    loaded: ps !== undefined,
    contextLength: numberIn(ps?.raw.context_length),
    sizeVram: numberIn(ps?.raw.size_vram),
    expiresAt: ps?.expiresAt || null,
  };
}

function digestOf({ tag, ps }: Found): string {
  const loaded = ps?.raw.digest;
  return tag?.digest || (typeof loaded === 'string' ? loaded : '');
}

const newer = (a: string, b: string): string => (Date.parse(b || '0') > Date.parse(a || '0') ? b : a || b);

const numberIn = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
