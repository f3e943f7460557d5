import type { Rate } from '../config/rate.ts';

/** What is left of a rate; full when nothing has been taken yet. */
export interface Bucket {
  readonly tokens: number;
  /** When that was so, on the clock, ms. */
  readonly at: number;
}

/**
 * Takes one from a bucket that holds `count` at most and fills evenly. `waitMs` is 0 when there was one, else how long
 * until there is; then nothing was taken. `now` is on the clock. Pure.
 */
export function takeOne(
  { count, perMs }: Rate,
  before: Bucket | undefined,
  now: number,
): { readonly bucket: Bucket; readonly waitMs: number } {
  const since = before ? Math.max(0, now - before.at) : 0;
  const tokens = Math.min(count, (before?.tokens ?? count) + (since * count) / perMs);
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, at: now }, waitMs: 0 };
  return { bucket: { tokens, at: now }, waitMs: ((1 - tokens) * perMs) / count };
}
