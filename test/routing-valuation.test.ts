import { describe, expect, it } from 'vitest';
import type { Option } from '../src/routing/valuation.ts';
import { bestOf, valuesOf } from '../src/routing/valuation.ts';
import { jobOf } from './_virtual-gpu.ts';

const desk = { load: () => undefined, take: () => undefined, open: () => ({ close: () => {} }) };

/** Servers that are free, each a second slower than the one before. */
const free = (count: number): Option[] =>
  Array.from({ length: count }, (_, i) => ({
    deviceId: `${i}`,
    desk,
    job: jobOf('x'),
    tier: 0,
    standsIn: false,
    estimate: { finishMs: 1000 * (i + 1), immediateMs: 1000 * (i + 1), free: true, warm: true },
  }));

/** Which of them may come first for some request. */
function firstOnes(options: readonly Option[], fooled: number): string[] {
  return options
    .map(({ deviceId }) => deviceId)
    .filter((wanted) => {
      const share = (deviceId: string) => (deviceId === wanted ? 0.99 : 0);
      return bestOf(valuesOf(options, { dueMs: () => undefined, share, fooled }))?.option.deviceId === wanted;
    });
}

describe('servers that are free', () => {
  it.each([
    { count: 100, fooled: 0, is: 1 },
    { count: 3, fooled: 4, is: 1 },
    { count: 100, fooled: 4, is: 3 },
    { count: 1000, fooled: 4, is: 5 },
    { count: 100, fooled: 16, is: 100 },
    { count: 100, fooled: 99, is: 100 },
  ])('$is of $count may come first for a request that was fooled $fooled times', ({ count, fooled, is }) => {
    expect(firstOnes(free(count), fooled)).toEqual(Array.from({ length: is }, (_, i) => `${i}`));
  });
});
