import type { ServerFacts } from '../../fleet/pool.ts';

/** A model that came into memory. */
export interface LoadSeen {
  readonly model: string;
  /** On the clock, ms. */
  readonly atMs: number;
}

/** A model that was loaded anew for another context, tokens. */
export interface ContextChange extends LoadSeen {
  readonly from: number;
  readonly to: number;
}

/** How long a token of a model takes, ms: now, and when the server was at its best. */
export interface Pace {
  readonly now: number;
  readonly best: number;
}

/** What a server has been seen to do lately. */
export interface ServerPast {
  /** Of the last half hour, oldest first. */
  readonly loads: readonly LoadSeen[];
  readonly contextChanges: readonly ContextChange[];
  /** By `modelKey`. */
  readonly paces: ReadonlyMap<string, Pace>;
  /** The most requests that its Ollama was ever set to run at once; undefined where it never told. */
  readonly mostParallel: number | undefined;
}

const NOTHING: ServerPast = { loads: [], contextChanges: [], paces: new Map(), mostParallel: undefined };

/** What is older says nothing about now. */
const REMEMBER_MS = 30 * 60_000;
/** A server that changes models all the time does so every few seconds at most. */
const MAX_LOADS = 256;
/** As many models as one machine runs. */
const MAX_MODELS = 128;
/** A server that has left comes back within this or is another one, ms. */
const FORGET_MS = 24 * 3_600_000;
/** How fast the best of old times fades, each time that something newer is known: it was perhaps measured wrongly. */
const FADE = 0.002;

interface Kept {
  past: ServerPast;
  loaded: ReadonlySet<string> | undefined;
  readonly contexts: Map<string, number>;
  seenAt: number;
}

/** Remembers what the servers did, from one look at them to the next. */
export class ServerHistory {
  readonly #kept = new Map<string, Kept>();

  /** Looks at the servers as they are at `nowMs` on the clock. */
  look(servers: readonly ServerFacts[], nowMs: number): void {
    for (const server of servers) {
      const kept = this.#kept.get(server.deviceId) ?? {
        past: NOTHING,
        loaded: undefined,
        contexts: new Map(),
        seenAt: nowMs,
      };
      this.#kept.set(server.deviceId, kept);
      kept.seenAt = nowMs;
      kept.past = nextPast(kept, server, nowMs);
      if (server.ps) kept.loaded = server.loadedKeys;
    }
    for (const [id, { seenAt }] of this.#kept) if (nowMs - seenAt > FORGET_MS) this.#kept.delete(id);
  }

  /** What is remembered of each server that was there lately, by device id. */
  all(): ReadonlyMap<string, ServerPast> {
    return new Map([...this.#kept].map(([id, { past }]) => [id, past]));
  }
}

function nextPast(kept: Kept, server: ServerFacts, nowMs: number): ServerPast {
  const { past } = kept;
  const isRecent = ({ atMs }: LoadSeen) => nowMs - atMs <= REMEMBER_MS;
  const came = kept.loaded ? [...server.loadedKeys].filter((key) => !kept.loaded?.has(key)) : [];
  const changes = contextChanges(kept.contexts, server, nowMs);
  const loads = came.map((model) => ({ model, atMs: nowMs }));
  const parallel = server.machine?.parallel?.value ?? 0;
  return {
    loads: [...past.loads.filter(isRecent), ...loads].slice(-MAX_LOADS),
    contextChanges: [...past.contextChanges.filter(isRecent), ...changes].slice(-MAX_LOADS),
    paces: nextPaces(past.paces, server),
    mostParallel: parallel > (past.mostParallel ?? 0) ? parallel : past.mostParallel,
  };
}

/** Compares with the contexts last seen, also of models that were out of memory meanwhile, and takes the new ones over. */
function contextChanges(known: Map<string, number>, { ps }: ServerFacts, atMs: number): ContextChange[] {
  const changes: ContextChange[] = [];
  for (const { key, raw } of (ps ?? []).slice(0, MAX_MODELS)) {
    const to = raw.context_length;
    if (typeof to !== 'number' || !(to > 0)) continue;
    const from = known.get(key);
    if (from !== undefined && from !== to) changes.push({ model: key, atMs, from, to });
    known.delete(key);
    known.set(key, to);
    const [oldest = ''] = known.keys();
    if (known.size > MAX_MODELS) known.delete(oldest);
  }
  return changes;
}

function nextPaces(before: ReadonlyMap<string, Pace>, { load }: ServerFacts): ReadonlyMap<string, Pace> {
  let paces: Map<string, Pace> | undefined;
  for (const [model, { decodeMsPerToken: now }] of Object.entries(load?.models ?? {})) {
    if (now === null || now <= 0) continue;
    const known = before.get(model);
    if (known?.now === now || (!known && (paces ?? before).size >= MAX_MODELS)) continue;
    paces ??= new Map(before);
    const best = known ? Math.min(now, known.best * (1 + FADE)) : now;
    paces.set(model, { now, best });
  }
  return paces ?? before;
}
