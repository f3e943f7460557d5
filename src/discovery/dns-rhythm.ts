import { BEACON_LEASE_MS } from './rhythm.ts';

/** Many zones say 0: asking more often than this finds nothing that matters sooner. */
export const SOONEST_MS = 1000;

/** Zones of hosts that never move say a day; a GPU machine that comes today is to be found today. */
const LATEST_MS = 300_000;

/** What the absence of records counts where the zone does not say. */
const ABSENT_MS = 5000;

const LONGEST_BACK_OFF_MS = 30_000;

/**
 * When to ask again after an answer: when its first record runs out, give or take nothing but up to a tenth later, so
 * that caches have it anew and a hundred laptops do not ask together. `random` gives [0, 1). Pure.
 */
export function askAgainMs(ttlMs: number | undefined, random: () => number): number {
  const ms = Math.min(Math.max(ttlMs ?? ABSENT_MS, SOONEST_MS), LATEST_MS);
  return ms * (1 + 0.1 * random());
}

/** When to ask again after so many failures in a row, 1 and up: 1 s, 2 s, 4 s ... 30 s. Pure. */
export function backOffMs(failures: number): number {
  return Math.min(SOONEST_MS * 2 ** Math.min(failures - 1, 16), LONGEST_BACK_OFF_MS);
}

/**
 * How long a claim counts: three times what it was to count, as everywhere in discovery. At least as long as a
 * beacon's, for what vanishes says goodbye in the next answer and only the resolver's silence is waited out. Pure.
 */
export function leaseMsOf(againMs: number): number {
  return Math.max(3 * againMs, BEACON_LEASE_MS);
}
