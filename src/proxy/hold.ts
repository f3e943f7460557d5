import type { Clock } from '../clock.ts';
import type { Pick, Router } from '../routing/router.ts';

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
 * Waits for a server that can take the request to appear or to recover. Resolves with a pick, or undefined
 * when the limit is reached or `signal` aborts.
 */
export async function hold(options: HoldOptions): Promise<Pick | undefined> {
  const { router, clock, choose, tried, limitMs, signal } = options;
  const over = new AbortController();
  const end = () => over.abort();
  const stopTimer = clock.after(limitMs, end);
  signal.addEventListener('abort', end, { once: true });
  try {
    while (!over.signal.aborted && !signal.aborted) {
      await router.nextChange(over.signal);
      if (over.signal.aborted) return undefined;
      for (const server of router.pool()) {
        if (server.verdict.state === 'reliable') tried.delete(server.deviceId);
      }
      const pick = await choose(tried);
      if (pick) return pick;
    }
    return undefined;
  } finally {
    stopTimer();
    signal.removeEventListener('abort', end);
  }
}
