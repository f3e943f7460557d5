import type { Daemon } from '../daemon/daemon.ts';
import type { Reloader } from '../daemon/reload.ts';
import { reasonOf } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { EXIT } from './exit-codes.ts';

/** How long requests in flight may take to end after the first signal. */
const DRAIN_LIMIT_MS = 30_000;
/** By convention 128 + the signal's number. */
const CUT_SHORT = Object.freeze({ SIGINT: 130, SIGTERM: 143 });

/**
 * Waits until the daemon is told to end, ends it, and returns the exit code: 0 after a drain, 1 when that failed,
 * 130 or 143 when a second signal cut it short. SIGHUP has the configuration read again; a lost terminal, which sends
 * it too, is no reason to end.
 */
export function untilTold(daemon: Daemon, log: Log, reloader?: Pick<Reloader, 'reload'>): Promise<number> {
  process.on('SIGHUP', () => {
    try {
      reloader?.reload();
    } catch {
      // It has said so in the log, and the running configuration stays.
    }
  });
  return new Promise((resolve) => {
    let told = false;
    const onSignal = (signal: keyof typeof CUT_SHORT) => {
      if (told) {
        log.warn('second signal, ending at once', { signal });
        return resolve(CUT_SHORT[signal]);
      }
      told = true;
      log.info('finishing requests in flight; a second signal ends at once', {
        signal,
        limitMs: DRAIN_LIMIT_MS,
      });
      daemon.drain(DRAIN_LIMIT_MS).then(
        () => resolve(EXIT.ok),
        (error: unknown) => {
          log.error('ending failed', { reason: reasonOf(error) });
          resolve(EXIT.failed);
        },
      );
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  });
}
