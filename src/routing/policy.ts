import type { Pool, PoolServer } from '../fleet/pool.ts';

/** What a request needs, as far as choosing depends on it. */
export interface Want {
  /** `modelKey` of the model; undefined when the request names none. */
  readonly modelKey: string | undefined;
  /** Servers that have had their try at this request. */
  readonly tried: ReadonlySet<string>;
  /** Any changing number: equal servers take turns by it. */
  readonly turn: number;
}

/** A server and why it stands where it stands, in words for the log. */
export interface Candidate {
  readonly server: PoolServer;
  readonly reason: string;
}

/**
 * Orders the servers that may take a request, best first. A server whose list lacks the model is left out;
 * one whose list is not known yet comes after those known to have it. Reliable before unreliable before
 * second-chance; within each, this machine's own Ollama last; then where the model is loaded, then where
 * fewer requests run, then by turns. Pure.
 */
export function rank(pool: Pool, want: Want): readonly Candidate[] {
  return pool
    .filter((server) => !want.tried.has(server.deviceId) && mayHold(server, want.modelKey))
    .map((server, index) => ({ server, keys: sortKeys(server, want, index, pool.length) }))
    .sort((a, b) => compare(a.keys, b.keys))
    .map(({ server }) => ({ server, reason: reasonFor(server, want.modelKey) }));
}

/** Whether any server, tried or not, is known to hold the model. Pure. */
export function isHeld(pool: Pool, modelKey: string): boolean {
  return pool.some((server) => server.modelKeys.has(modelKey));
}

function mayHold(server: PoolServer, modelKey: string | undefined): boolean {
  return modelKey === undefined || server.tags === undefined || server.modelKeys.has(modelKey);
}

const STATES = { reliable: 0, unreliable: 1, 'second-chance': 2 };

function sortKeys(
  server: PoolServer,
  { modelKey, turn }: Want,
  index: number,
  size: number,
): readonly number[] {
  const known = modelKey === undefined || server.modelKeys.has(modelKey);
  const loaded = modelKey === undefined || server.loadedKeys.has(modelKey);
  return [
    STATES[server.verdict.state],
    known ? 0 : 1,
    server.kind === 'local' ? 1 : 0,
    loaded ? 0 : 1,
    server.inFlight,
    (index + turn) % size,
  ];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, key] of a.entries()) {
    const difference = key - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function reasonFor(server: PoolServer, modelKey: string | undefined): string {
  const words = [
    server.verdict.state === 'reliable' ? '' : server.verdict.state,
    server.kind === 'local' ? 'local-fallback' : '',
    modelKey !== undefined && server.loadedKeys.has(modelKey) ? 'loaded' : '',
    server.inFlight === 0 ? 'idle' : `in-flight=${server.inFlight}`,
  ];
  return words.filter((word) => word !== '').join(' ');
}
