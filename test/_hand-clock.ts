import type { Cancel, Clock } from '../src/clock.ts';

/** A clock that stands still until a test moves it; what falls due is called in its order. */
export interface HandClock extends Clock {
  pass(ms: number): void;
  /** ms until the next call that is due; undefined: none is. */
  nextIn(): number | undefined;
}

export function handClock(): HandClock {
  let now = 0;
  let ids = 0;
  const due = new Map<number, { at: number; fn: () => void; everyMs: number | undefined }>();
  const add = (ms: number, fn: () => void, everyMs: number | undefined): Cancel => {
    ids += 1;
    const id = ids;
    due.set(id, { at: now + ms, fn, everyMs });
    return () => void due.delete(id);
  };
  return {
    now: () => now,
    wall: () => Date.UTC(2026, 0, 1) + now,
    after: (ms, fn) => add(ms, fn, undefined),
    every: (ms, fn) => add(ms, fn, ms),
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = [...due].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
        if (!next) break;
        const [id, { at, fn, everyMs }] = next;
        now = at;
        if (everyMs === undefined) due.delete(id);
        else due.set(id, { at: at + everyMs, fn, everyMs });
        fn();
      }
      now = end;
    },
    nextIn() {
      const next = Math.min(...[...due.values()].map(({ at }) => at));
      return next === Number.POSITIVE_INFINITY ? undefined : next - now;
    },
  };
}
