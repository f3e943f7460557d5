/** A cancellable registration: a timer, a listener. Cancelling twice is harmless. */
export type Cancel = () => void;

/**
 * Time as everything in ollana sees it; a constructor option of whatever waits, so that tests can drive it.
 * `now()` is monotonic and for durations and leases; `wall()` is for display and for noticing that the
 * machine slept, because Linux's monotonic clock stands still while it does.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number;
  /** Milliseconds since 1970-01-01T00:00:00Z; can jump. */
  wall(): number;
  /** Calls `fn` once after `ms` milliseconds. The timer does not keep the process alive. */
  after(ms: number, fn: () => void): Cancel;
  /** Calls `fn` every `ms` milliseconds. The timer does not keep the process alive. */
  every(ms: number, fn: () => void): Cancel;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every(ms, fn) {
    const timer = setInterval(fn, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/**
 * Resolves after `ms` milliseconds on `clock`, or at once when `signal` aborts; never rejects.
 * Callers look at `signal.aborted` when they need to know which it was.
 */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Resolves after `ms` milliseconds on the machine's own clock, and keeps a command alive until then. */
export function sleepAwake(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
