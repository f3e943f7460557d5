import type { EventEmitter } from 'node:events';

/** `promise`, or a rejection that names `what` when it has not settled within `ms` milliseconds. */
export async function within<T>(ms: number, what: string, promise: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The first argument of the next `event` of `emitter`, or a rejection after `ms` milliseconds. Call it before what
 * causes the event.
 */
export async function next<T = unknown>(emitter: EventEmitter, event: string, ms: number): Promise<T> {
  let listener: (value: T) => void = () => {};
  const seen = new Promise<T>((resolve) => {
    listener = resolve;
    emitter.once(event, listener);
  });
  try {
    return await within(ms, `event "${event}"`, seen);
  } finally {
    emitter.off(event, listener);
  }
}

/**
 * Asks `probe` until it answers something other than `undefined` or `false`, and returns that. For state behind a
 * process or socket that tells no one when it changes; where there is an event, await the event. A probe that
 * throws counts as "not yet", and its last error ends up in the message. Rejects after `ms` milliseconds.
 */
export async function until<T>(
  ms: number,
  what: string,
  probe: () => T | undefined | false | PromiseLike<T | undefined | false>,
  everyMs = 10,
): Promise<T> {
  const end = performance.now() + ms;
  let last: unknown;
  for (;;) {
    try {
      const answer = await within(Math.max(1, end - performance.now()), what, Promise.resolve(probe()));
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() + everyMs > end)
      throw new Error(`${what}: not within ${ms} ms`, last === undefined ? {} : { cause: last });
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
