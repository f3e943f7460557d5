import type { Cancel, Clock } from '../clock.ts';

export interface GpuClockOptions {
  /** Whether those that run share the GPU; otherwise each has one of its own. */
  readonly shared: boolean;
  /** GPU milliseconds that pass in one real millisecond while one request runs; above 0, finite. */
  readonly speed: number;
}

/** One request's use of the GPU. */
export interface GpuRun {
  /** Leaves the GPU to the others; ending twice is harmless. */
  end(): void;
  /** Ends after `ms` milliseconds of the GPU's time, unless it is ended before. */
  endAfter(ms: number): void;
}

interface Timer {
  /** On this clock. */
  readonly due: number;
  readonly fn: () => void;
  cancel: Cancel;
}

/**
 * The time in which a GPU does its work: `speed` times as fast as real time, and with n requests running on a
 * shared one an n-th of that for each (processor sharing). Timers follow every change of n. `wall()` is real.
 */
export class GpuClock implements Clock {
  readonly #clock: Clock;
  readonly #options: GpuClockOptions;
  /** As many as requests run: each waits for one thing at a time. */
  readonly #timers = new Set<Timer>();
  #running = 0;
  /** Real time of the last change of pace; at pace 1 from 0 on, this clock is the real one to the last bit. */
  #changedAt = 0;
  /** This clock's time then. */
  #then = 0;

  /** Throws a RangeError where `speed` is no pace. */
  constructor(clock: Clock, options: GpuClockOptions) {
    const { speed } = options;
    if (!(speed > 0 && Number.isFinite(speed))) {
      throw new RangeError(`the speed of a simulated GPU cannot be ${speed}: give a finite number above 0`);
    }
    this.#clock = clock;
    this.#options = options;
  }

  /** Counts one more request as running, until the run is ended. */
  run(): GpuRun {
    this.#change(1);
    let running = true;
    let cancel: Cancel = () => {};
    const end = () => {
      if (!running) return;
      running = false;
      cancel();
      this.#change(-1);
    };
    const endAfter = (ms: number) => {
      if (ms > 0) cancel = this.after(ms, end);
      else end();
    };
    return { end, endAfter };
  }

  now(): number {
    return this.#then + (this.#clock.now() - this.#changedAt) * this.#pace;
  }

  wall(): number {
    return this.#clock.wall();
  }

  after(ms: number, fn: () => void): Cancel {
    const timer: Timer = { due: this.now() + ms, fn, cancel: () => {} };
    this.#timers.add(timer);
    this.#arm(timer, ms);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  every(ms: number, fn: () => void): Cancel {
    const again = () => {
      cancel = this.after(ms, again);
      fn();
    };
    let cancel = this.after(ms, again);
    return () => cancel();
  }

  get #pace(): number {
    const { shared, speed } = this.#options;
    return shared && this.#running > 1 ? speed / this.#running : speed;
  }

  #change(by: 1 | -1): void {
    const before = this.#pace;
    this.#running += by;
    if (this.#pace === before) return;
    const real = this.#clock.now();
    this.#then += (real - this.#changedAt) * before;
    this.#changedAt = real;
    for (const timer of this.#timers) {
      timer.cancel();
      this.#arm(timer, Math.max(0, timer.due - this.#then));
    }
  }

  #arm(timer: Timer, ms: number): void {
    timer.cancel = this.#clock.after(ms / this.#pace, () => {
      this.#timers.delete(timer);
      timer.fn();
    });
  }
}
