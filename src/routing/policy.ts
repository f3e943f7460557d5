import type { Pool, PoolServer, ServerFacts } from '../fleet/pool.ts';
import { isReached } from '../fleet/verdict-rules.ts';

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

/**
 * Those that hold a model, in the order in which lists take their rows: what is told of a model of which there are
 * several versions is told of the one that is listed. Pure.
 */
export function inListOrder(pool: Pool, modelKey: string): readonly string[] {
  return rank(pool, { modelKey: undefined, tried: new Set(), turn: 0 })
    .filter(({ server }) => server.modelKeys.has(modelKey))
    .map(({ server }) => server.deviceId);
}

/** Whether any server, tried or not, is known to hold the model. Pure. */
export function isHeld(pool: readonly ServerFacts[], modelKey: string): boolean {
  return pool.some((server) => server.modelKeys.has(modelKey));
}

/** Whether a server may have the model: it lists it, or its list is not known. Pure. */
export function mayHold(server: ServerFacts, modelKey: string | undefined): boolean {
  return modelKey === undefined || server.tags === undefined || server.modelKeys.has(modelKey);
}

const STATES = { reliable: 0, unreliable: 2, 'second-chance': 3 };
/** One that rests comes after the others that answer; having failed as well, after everybody. */
const RESTING = { reliable: 1, unreliable: 4, 'second-chance': 5 };

/** Tiers told apart within a standing: the last is this machine's own Ollama, the one before it takes all further. */
const TIERS = 16;

/**
 * Which servers are used up before which, lower ones first: by verdict and rest, then those known to have the model
 * before those that may, then by the tier they want to be in, then this machine's own Ollama last. Pure.
 */
export function tierOf(server: ServerFacts, modelKey: string | undefined): number {
  const known = modelKey === undefined || server.modelKeys.has(modelKey);
  const standing = (server.resting ? RESTING : STATES)[server.verdict.state];
  const tier = server.kind === 'local' ? TIERS - 1 : Math.min(server.tier ?? 0, TIERS - 2);
  return TIERS * (2 * standing + (known ? 0 : 1)) + tier;
}

/**
 * Whether a server that has failed takes what would have to wait at those that have not: it answers, and it does not
 * rest. Pure.
 */
export function standsIn({ verdict, resting, kind }: ServerFacts): boolean {
  return verdict.state !== 'reliable' && isReached(verdict) && !resting && kind !== 'local';
}

function sortKeys(
  server: PoolServer,
  { modelKey, turn }: Want,
  index: number,
  size: number,
): readonly number[] {
  const loaded = modelKey === undefined || server.loadedKeys.has(modelKey);
  return [tierOf(server, modelKey), loaded ? 0 : 1, server.inFlight, (index + turn) % size];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, key] of a.entries()) {
    const difference = key - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** What is known of what a server has in memory. */
export type Memory = Pick<ServerFacts, 'load' | 'loadedKeys'>;

/** Whether a server has the model in memory: what it tells itself is newer than its list. Pure. */
export function isLoaded({ load, loadedKeys }: Memory, modelKey: string): boolean {
  return load?.models[modelKey]?.loaded ?? loadedKeys.has(modelKey);
}

/** Why a server stands where it stands, in words. Pure. */
export function reasonFor(server: PoolServer, modelKey: string | undefined): string {
  const words = [
    server.verdict.state === 'reliable' ? '' : server.verdict.state,
    server.resting ? 'resting' : '',
    server.kind === 'local' ? 'local-fallback' : '',
    modelKey !== undefined && isLoaded(server, modelKey) ? 'loaded' : '',
    server.inFlight === 0 ? 'idle' : `in-flight=${server.inFlight}`,
  ];
  return words.filter((word) => word !== '').join(' ');
}
