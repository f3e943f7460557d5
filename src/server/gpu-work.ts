import type { Clock } from '../clock.ts';

/** The work of one seat: how far it has come while sharing the GPU. */
export interface Work {
  readonly model: string;
  /** Expected, ms of the GPU alone. */
  readonly expectedMs: number;
  /** When it began to use the GPU, on the clock; undefined while its model loads. */
  startedAt: number | undefined;
  /** `GpuWork` totals at that moment. */
  share: number;
  crowd: number;
}

/** Of a request that runs longer than expected this much of the expected is thought to be left. */
const LEFT_AT_LEAST = 0.25;

/**
 * Keeps account of a GPU that the models on it share: with n models at work each goes at 1/n of its speed.
 * Totals are integrals over time, so that a request needs only their difference.
 */
export class GpuWork {
  readonly #clock: Clock;
  readonly #running = new Map<string, number>();
  /** Integral of 1/n, ms: work done by anything that ran all along. */
  #share = 0;
  /** Integral of n, ms. */
  #crowd = 0;
  #at: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.now();
  }

  start(work: Work): void {
    if (work.startedAt !== undefined) return;
    this.#advance();
    this.#running.set(work.model, (this.#running.get(work.model) ?? 0) + 1);
    work.startedAt = this.#at;
    work.share = this.#share;
    work.crowd = this.#crowd;
  }

  /** Ends it; returns how many models were at work meanwhile, averaged over time, at least 1. */
  end(work: Work): number {
    if (work.startedAt === undefined) return 1;
    this.#advance();
    const left = (this.#running.get(work.model) ?? 1) - 1;
    if (left > 0) this.#running.set(work.model, left);
    else this.#running.delete(work.model);
    const ms = this.#at - work.startedAt;
    return ms > 0 ? Math.max(1, (this.#crowd - work.crowd) / ms) : 1;
  }

  /** Work done so far, ms of the GPU alone. */
  done(work: Work): number {
    this.#advance();
    return work.startedAt === undefined ? 0 : this.#share - work.share;
  }

  /** Work that is thought to be left, ms of the GPU alone. */
  left(work: Work): number {
    const done = this.done(work);
    return Math.max(work.expectedMs - done, work.expectedMs * LEFT_AT_LEAST);
  }

  #advance(): void {
    const now = this.#clock.now();
    const n = Math.max(1, this.#running.size);
    this.#share += (now - this.#at) / n;
    this.#crowd += (now - this.#at) * n;
    this.#at = now;
  }
}
