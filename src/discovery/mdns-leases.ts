import type { Clock } from '../clock.ts';
import { Recent } from './recent.ts';

/** A claim counts at least this long, as a beacon's does, whatever time to live it was given. */
const SHORTEST_MS = 15_000;

/** And at most this long: asking again costs little, and a server that vanished without a word must go. */
const LONGEST_MS = 300_000;

/** Asked again when so much of the time to live is over, unless heard meanwhile; then it is gone. */
const RENEWALS = [0.75, 0.8, 0.85, 0.9];

/**
 * And later at random by up to so much. All hear the answer, so it is best when one asks: RFC 6762 5.2 begins at 0.8
 * with 0.02, in which of sixty machines several would ask, and all servers answer each.
 */
const JITTER = 0.1;

/** Claims that are renewed; the oldest go first. */
const MAX_LEASES = 1024;

/** A record's time to live as the time it counts, both in ms. */
export function boundedLease(ttlMs: number): number {
  return Math.min(Math.max(ttlMs, SHORTEST_MS), LONGEST_MS);
}

/** Until when claims count, and so when to ask again. */
export class MdnsLeases {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #leases: Recent<{ readonly dueAt: readonly number[]; readonly until: number }>;

  /** `random` gives [0, 1). */
  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
    this.#leases = new Recent({ clock, ttlMs: LONGEST_MS, max: MAX_LEASES });
  }

  /** A claim was made that counts so long. */
  set(key: string, leaseMs: number): void {
    const now = this.#clock.now();
    const jitter = JITTER * this.#random();
    this.#leases.set(key, {
      dueAt: RENEWALS.map((part) => now + (part + jitter) * leaseMs),
      until: now + leaseMs,
    });
  }

  /** A claim was taken back. */
  delete(key: string): void {
    this.#leases.delete(key);
  }

  /** Whether no claim counts now. */
  get isEmpty(): boolean {
    const now = this.#clock.now();
    return !this.#leases.values().some(({ until }) => until > now);
  }

  /** Whether a claim is to be renewed and was not asked for since it was due. */
  isDue(askedAt: number): boolean {
    const now = this.#clock.now();
    return this.#leases.values().some(({ dueAt }) => dueAt.some((at) => at > askedAt && at <= now));
  }
}
