import { type Clock, sleep } from '../clock.ts';
import type { Daemon } from './daemon.ts';
import type { Face } from './listen.ts';

export interface DrainableParts extends Pick<Daemon, 'mode' | 'url' | 'isPassing' | 'status'> {
  readonly clock: Clock;
  readonly face: Pick<Face, 'close' | 'cut'>;
  readonly api: AsyncDisposable;
  /** Requests that have not ended. */
  readonly open: () => number;
  /** Ends what would keep a drain waiting; called first, once. */
  readonly begin: () => Promise<void>;
  /** Gives all the rest back; called last, once. */
  readonly release: () => Promise<void>;
}

/** How often a drain looks whether the last request has ended, ms. */
const IDLE_LOOK_MS = 20;

/** Makes of what runs a daemon that can be ended, with the sources by which it is found, or finds others. */
export function drainable(parts: DrainableParts): (sources: readonly AsyncDisposable[]) => Daemon {
  const { mode, url, isPassing, status, clock, face, api, open, begin, release } = parts;
  return (sources) => {
    let ended: Promise<void> | undefined;
    const end = async (limitMs: number) => {
      await begin();
      // Whoever hears a goodbye looks whether it is true, and would find us there for as long as mDNS takes for its own.
      face.close();
      for (const source of [...sources, api]) await source[Symbol.asyncDispose]();
      await idle(clock, limitMs, () => open() === 0);
      face.cut();
      await release();
    };
    const drain = (limitMs: number): Promise<void> => {
      ended ??= end(limitMs);
      return ended;
    };
    return {
      mode,
      url,
      isPassing,
      status,
      drain,
      stop: async () => {
        face.cut();
        await drain(0);
      },
    };
  };
}

/** Resolves when `done` says so, or after `limitMs`. */
async function idle(clock: Clock, limitMs: number, done: () => boolean): Promise<void> {
  const deadline = clock.now() + limitMs;
  while (!done() && clock.now() < deadline) await sleep(clock, IDLE_LOOK_MS);
}
