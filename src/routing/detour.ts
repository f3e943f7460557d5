import type { Estimate } from './finish.ts';

/**
 * Speeds are means over a few answers, and two GPUs that are equal differ in theirs by some per cent. More than that,
 * and less than what a request that runs over its time still counts for at least (a quarter, see gpu-work.ts): else
 * the next one would wait behind it for as long as it takes.
 */
const DOUBT = 1.15;

/**
 * What to expect of a server on another machine, for requests that could stay on their own: the way there costs
 * `latencyMs`, and what is gained there must be worth it. Pure.
 */
export function detour(estimate: Estimate, latencyMs: number | null): Estimate {
  const away = (ms: number) => ms * DOUBT + (latencyMs ?? 0);
  return { ...estimate, finishMs: away(estimate.finishMs), immediateMs: away(estimate.immediateMs) };
}
