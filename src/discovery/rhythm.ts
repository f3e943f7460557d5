import type { Cancel, Clock } from '../clock.ts';

/** How often clients ask and servers announce: as the first ollana did, so that old and new peers meet as fast. */
const BEACON_INTERVAL_MS = 5000;

/** A server counts until it has been silent for three rounds: two lost datagrams in a row are bad luck. */
export const BEACON_LEASE_MS = 3 * BEACON_INTERVAL_MS;

/** Time to the next round: the interval, give or take 10 %. `random` gives [0, 1). */
function nextRoundMs(random: () => number): number {
  return BEACON_INTERVAL_MS * (0.9 + 0.2 * random());
}

/**
 * Calls `round` every interval, for the first time after a random part of one: hundreds of machines that wake at
 * nine o'clock must not beat together, nor fall into step.
 */
export function beat(clock: Clock, random: () => number, round: () => void): Cancel {
  let cancel = clock.after(BEACON_INTERVAL_MS * random(), next);
  function next(): void {
    cancel = clock.after(nextRoundMs(random), next);
    round();
  }
  return () => cancel();
}
