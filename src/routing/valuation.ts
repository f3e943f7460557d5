import type { Desk, Job } from './desk.ts';
import type { Estimate } from './finish.ts';

/** A server that a request may go to, as it stands now. */
export interface Option {
  readonly deviceId: string;
  readonly desk: Desk;
  readonly estimate: Estimate;
  /** Lower ones are used up before higher ones are looked at. */
  readonly tier: number;
  /** Of a higher tier, it is taken nevertheless when it is free and those below are not. */
  readonly standsIn: boolean;
  /** The job as this server would see it: its cache differs from the others'. */
  readonly job: Job;
}

/** A server, and when the request would end there with all that is counted, ms from now. */
export interface Valued {
  readonly option: Option;
  readonly finishMs: number;
}

/**
 * Free servers that differ by less than this in when a request would end there are as good as equal: each request
 * sees them in an order of its own, or many laptops would all choose the same one.
 */
const SPREAD = 0.1;
/**
 * The servers with when a request would end there. `dueMs` tells when it is due where it waits already, ms from now;
 * `share` gives each server a number from 0 up to 1 that stays the same for one request. Pure but for that.
 */
export function valuesOf(
  options: readonly Option[],
  dueMs: (deviceId: string) => number | undefined,
  share: (deviceId: string) => number,
): readonly Valued[] {
  const { count, bestMs } = freeOf(options);
  const price = waitingPrice(count);
  return options.map((option) => {
    const { finishMs, immediateMs, free } = option.estimate;
    const due = dueMs(option.deviceId);
    // One that let us wait is not free, whatever it told before.
    const isFree = free && due === undefined;
    // Whoever came later is behind us, and we ourselves are in what the server says of its queue.
    const latestMs = free ? Number.POSITIVE_INFINITY : finishMs;
    const expectedMs = due === undefined ? finishMs : clamp(due, immediateMs, latestMs);
    const pricedMs = expectedMs + (price - 1) * (expectedMs - immediateMs);
    const isAsGood = isFree && finishMs * (1 - SPREAD) < bestMs;
    return { option, finishMs: isAsGood ? pricedMs * (1 - SPREAD * share(option.deviceId)) : pricedMs };
  });
}

/** Lower tiers first, then whatever ends first. Pure. */
export function inOrder(a: Valued, b: Valued): number {
  return a.option.tier - b.option.tier || a.finishMs - b.finishMs;
}

/** The first of them in order. Most requests need no more, and there may be a thousand. Pure. */
export function bestOf(list: readonly Valued[]): Valued | undefined {
  let best: Valued | undefined;
  for (const one of list) if (!best || inOrder(one, best) < 0) best = one;
  return best;
}

/** The best of the free ones that stand in for better ones that are busy. Pure. */
export function freeStandIn(list: readonly Valued[]): Valued | undefined {
  return bestOf(list.filter(({ option: { standsIn, estimate } }) => standsIn && estimate.free));
}

/**
 * Whether to take a seat rather than wait for the best of the others. One with the model loaded always is: a slot
 * that is given back stands idle meanwhile, and estimates are not as good as that.
 */
export function isWorth({ tier, estimate }: Option, rival: Valued): boolean {
  return tier === rival.option.tier
    ? estimate.warm || estimate.immediateMs <= rival.finishMs
    : tier < rival.option.tier;
}

/**
 * How many times waiting counts while slots are free: whoever waits for a faster server makes those behind wait
 * longer, and the free ones stand idle. The more are free, the surer is one of the faster ones to be free soon
 * again for somebody else; chance makes their number vary by its root, as everywhere. Simulated at 80 % load, mean
 * and p95 over those of one central queue, counting once / as here: 10 servers 1.10 and 0.97 / 1.02 and 0.95;
 * 100: 1.45 and 1.13 / 1.10 and 1.01 (`npm run simulate`). Where none is free it counts once, or models push each
 * other out of memory to save a wait (`npm run bench -- fleet`). Pure.
 */
function waitingPrice(freeSlots: number): number {
  return 1 + Math.sqrt(freeSlots);
}

/** How many servers of those that come first are free, and when a request would end at the best, ms; else never. */
function freeOf(options: readonly Option[]): { readonly count: number; readonly bestMs: number } {
  let tier = Number.POSITIVE_INFINITY;
  for (const option of options) if (option.tier < tier) tier = option.tier;
  let count = 0;
  let bestMs = Number.POSITIVE_INFINITY;
  for (const { tier: own, estimate } of options) {
    if (own !== tier || !estimate.free) continue;
    count += 1;
    bestMs = Math.min(bestMs, estimate.finishMs);
  }
  return { count, bestMs };
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
