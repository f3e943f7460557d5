import type { WakeCard } from '../discovery/wake.ts';
import type { ServerFacts } from './pool.ts';

/** A server as it was when it was last there. */
export interface KnownServer {
  readonly deviceId: string;
  readonly name: string;
  readonly cards: readonly WakeCard[];
  /** Keys of `modelKey`. */
  readonly models: readonly string[];
  /** When it was last there, ms since 1970. */
  readonly seenAt: number;
  /** How often it has been called since. */
  readonly calls: number;
}

/**
 * How long a machine is given to wake, ms, before whoever waits is told that it has not. From suspend to RAM it takes
 * 2 to 10 s, a cold boot of a desktop half a minute to one, and Ollama some seconds more. It is not called again before.
 */
export const WAKING_MS = 90_000;

/** Who has not come after so many calls cannot be woken; it is called again when it has been there once more. */
export const MAX_CALLS = 3;

export interface WakeSituation {
  readonly modelKey: string;
  readonly known: readonly KnownServer[];
  /** Who is there now. */
  readonly servers: readonly Pick<ServerFacts, 'deviceId' | 'verdict' | 'modelKeys'>[];
  /** Whether an address is on a network of this machine; asked last. */
  readonly isNear: (address: string) => boolean;
  /** When servers were called, on the clock, by their id. */
  readonly calledAt: ReadonlyMap<string, number>;
  /** On the clock, ms. */
  readonly now: number;
}

/**
 * Which server to wake for a request that wants a model: nobody where somebody who is there has it; one that is waking
 * already; else one of those on this machine's networks that last had it, the least called in vain, then the one that
 * was there last. Undefined: nobody. Pure.
 */
export function whomToWake(situation: WakeSituation): KnownServer | undefined {
  const { modelKey, known, servers, isNear, calledAt, now } = situation;
  const up = servers.filter(({ verdict }) => verdict.state === 'reliable');
  if (up.some(({ modelKeys }) => modelKeys.has(modelKey))) return undefined;
  const isWaking = ({ deviceId }: KnownServer) =>
    now - (calledAt.get(deviceId) ?? Number.NEGATIVE_INFINITY) < WAKING_MS;
  const asleep = known
    .filter(({ models }) => models.includes(modelKey))
    .filter(({ deviceId }) => !up.some((server) => server.deviceId === deviceId))
    .filter(({ cards }) => cards.some(({ address }) => isNear(address)));
  const waking = asleep.find(isWaking);
  if (waking) return waking;
  const [best] = asleep
    .filter(({ calls }) => calls < MAX_CALLS)
    .sort((a, b) => a.calls - b.calls || b.seenAt - a.seenAt);
  return best;
}
