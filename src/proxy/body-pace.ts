import type { Clock } from '../clock.ts';

/** What one peer may send at any speed, bytes: a body that is kept whole. */
const BURST_BYTES = 32 * 1024 * 1024;
/** And then, bytes a millisecond: 67 Mbit/s, at which a photo still comes in a second. */
const RATE = (8 * 1024 * 1024) / 1000;

/** With so many, those are forgotten that have sent nothing for seconds: the rest are as many as have connections. */
const MAX_PEERS = 1000;

/**
 * How fast the bodies of each peer are read that are kept in memory. What comes at the speed of a wire, and is thrown
 * away again, keeps the collector so busy that the streams of all others stand still for some ms each time.
 */
export class BodyPace {
  readonly #clock: Clock;
  /** By peer: when its allowance is whole again, on the clock. */
  readonly #wholeAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts bytes of a peer that have come; returns for how long, ms, no more of it are to be read. */
  took(peer: string, bytes: number): number {
    const now = this.#clock.now();
    if (this.#wholeAt.size >= MAX_PEERS && !this.#wholeAt.has(peer)) this.#tidy(now);
    const wholeAt = Math.max(now, this.#wholeAt.get(peer) ?? now) + bytes / RATE;
    this.#wholeAt.set(peer, wholeAt);
    return Math.max(0, wholeAt - now - BURST_BYTES / RATE);
  }

  #tidy(now: number): void {
    for (const [peer, wholeAt] of this.#wholeAt) if (wholeAt <= now) this.#wholeAt.delete(peer);
  }
}
