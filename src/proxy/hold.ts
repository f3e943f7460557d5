import type { Clock } from '../clock.ts';
import type { Pick } from '../routing/pick.ts';
import type { Router } from '../routing/router.ts';

export interface HoldOptions {
  readonly router: Router;
  readonly clock: Clock;
  /** Leases a server that has not been tried, if there is one. */
  readonly choose: (tried: ReadonlySet<string>) => Promise<Pick | undefined>;
  /** Servers that have failed this request; one that has become reliable since is taken off. */
  readonly tried: Set<string>;
  /** How long to wait, ms. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/**
 * A server that said itself that it cannot is asked again after this, ms: a passed probe does not make it reliable, as
 * it answers probes all along, so that without other requests nobody would tell of its recovery.
 */
const AGAIN_MS = 1000;

/**
 * Waits for a server that can take the request to appear or to recover. Resolves with a pick, or undefined
 * when the limit is reached or `signal` aborts.
 */
export async function hold(options: HoldOptions): Promise<Pick | undefined> {
  const { router, clock, choose, tried, limitMs, signal } = options;
  const over = new AbortController();
  let wake = () => {};
  let again = false;
  const end = () => {
    over.abort();
    wake();
  };
  const stopTimer = clock.after(limitMs, end);
  const stopAgain = clock.every(AGAIN_MS, () => {
    again = true;
    wake();
  });
  signal.addEventListener('abort', end, { once: true });
  try {
    while (!over.signal.aborted && !signal.aborted) {
      const turn = new AbortController();
      wake = () => turn.abort();
      await router.nextChange(turn.signal);
      if (over.signal.aborted) return undefined;
      for (const { deviceId, verdict } of router.pool()) {
        const isBack = verdict.state === 'reliable' || (again && verdict.cause === 'status');
        if (isBack) tried.delete(deviceId);
      }
      again = false;
      const pick = await choose(tried);
      if (pick) return pick;
    }
    return undefined;
  } finally {
    stopTimer();
    stopAgain();
    signal.removeEventListener('abort', end);
  }
}
