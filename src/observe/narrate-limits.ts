import type { Clock } from '../clock.ts';
import type { LimitName, OnLimit } from '../limits.ts';
import type { Log } from './log.ts';

/** A flood is one line and a number, ms. */
const AGAIN_AFTER_MS = 60_000;

/** Puts refusals for too much into the log: at most one line for each limit and minute, with how many there were. */
export function narrateLimits(log: Log, clock: Clock): OnLimit {
  const last = new Map<LimitName, { readonly at: number; unsaid: number }>();
  return ({ limit, peer }) => {
    const said = last.get(limit);
    if (said && clock.now() - said.at < AGAIN_AFTER_MS) {
      said.unsaid += 1;
      return;
    }
    last.set(limit, { at: clock.now(), unsaid: 0 });
    const before = said && said.unsaid > 0 ? { moreBefore: said.unsaid } : {};
    log.warn('a limit was reached, and somebody refused', { limit, peer, ...before });
  };
}
