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

/** What a request knows of itself. */
export interface Standing {
  /** When it is due where it waits already, ms from now. */
  readonly dueMs: (deviceId: string) => number | undefined;
  /** A number from 0 up to 1 for each server, which stays the same for one request. */
  readonly share: (deviceId: string) => number;
  /** How often a server that looked free turned out to be taken. */
  readonly fooled: number;
}

/** The servers with when a request would end there. Pure but for `share`. */
export function valuesOf(options: readonly Option[], { dueMs, share, fooled }: Standing): readonly Valued[] {
  const free = finishesOfFree(options);
  const price = waitingPrice(free.length);
  const bestMs = free.reduce((least, ms) => Math.min(least, ms), Number.POSITIVE_INFINITY);
  const equals = contested(free.length, fooled);
  const contestedMs = equals > 1 ? (free.sort((a, b) => a - b)[equals - 1] ?? bestMs) : bestMs;
  return options.map((option) => {
    const { finishMs, immediateMs, free } = option.estimate;
    const due = dueMs(option.deviceId);
    // One that let us wait is not free, whatever it told before.
    const isFree = free && due === undefined;
    // Whoever came later is behind us, and we ourselves are in what the server says of its queue.
    const latestMs = free ? Number.POSITIVE_INFINITY : finishMs;
    const expectedMs =
      due === undefined ? finishMs : Math.min(immediateMs + waitMs(due - immediateMs, immediateMs), latestMs);
    const pricedMs = expectedMs + (price - 1) * (expectedMs - immediateMs);
    const asGoodMs = finishMs <= contestedMs ? bestMs : finishMs;
    const isAsGood = isFree && asGoodMs * (1 - SPREAD) < bestMs;
    return { option, finishMs: isAsGood ? asGoodMs * (1 - SPREAD * share(option.deviceId)) : pricedMs };
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
 * and p95 over those of one central queue, counting once / as here: 10 servers 1.04 and 0.93 / 1.00 and 0.96;
 * 100: 1.27 and 1.04 / 1.02 and 1.00 (`npm run simulate`). Where none is free it counts once, or models push each
 * other out of memory to save a wait (`npm run bench -- fleet`). Pure.
 */
function waitingPrice(freeSlots: number): number {
  return 1 + Math.sqrt(freeSlots);
}

/** Larger steps send requests to slow servers while fast ones fall idle, smaller ones let them chase for longer. */
const FOOLED_FOR_ALL = 16;

/**
 * Of how many free servers, the best ones, it does not matter which: all laptops see the same one become free, and
 * all but one find it taken. The more often that happened to a request, the further down it looks: at the fourth
 * time still only at the best of 3, but at the 3 best of 100 and at the 5 best of 1000. Pure.
 */
function contested(free: number, fooled: number): number {
  return Math.floor(free ** Math.min(1, fooled / FOOLED_FOR_ALL));
}

/** When a request would end at the servers that are free, of those that come first, ms. Pure. */
function finishesOfFree(options: readonly Option[]): number[] {
  let tier = Number.POSITIVE_INFINITY;
  for (const option of options) if (option.tier < tier) tier = option.tier;
  const finishes: number[] = [];
  for (const { tier: own, estimate } of options)
    if (own === tier && estimate.free) finishes.push(estimate.finishMs);
  return finishes;
}

/**
 * A wait that is over and has brought nothing lasts as long again, as far as anybody knows: at most one more request,
 * or one long answer would have its followers load their model elsewhere. Pure.
 */
function waitMs(expectedMs: number, requestMs: number): number {
  return expectedMs >= 0 ? expectedMs : Math.min(-expectedMs, requestMs);
}
