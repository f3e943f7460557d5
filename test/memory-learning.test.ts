import { describe, expect, it } from 'vitest';
import {
  changeBetween,
  type Evictable,
  fits,
  type Loaded,
  type MemoryLearning,
  NO_MEMORY_KNOWN,
  observe,
  victims,
} from '../src/server/memory-learning.ts';

const sized = (sizes: Record<string, number>): Loaded[] =>
  Object.entries(sizes).map(([key, size]) => ({ key, size }));

/** The state after models were seen together, or after `pushed` went for `came`. */
const together = (state: MemoryLearning, sizes: Record<string, number>): MemoryLearning =>
  observe(state, { loaded: sized(sizes), evicted: [], loadedNew: [] });
const pushedOut = (
  state: MemoryLearning,
  stayed: Record<string, number>,
  came: Record<string, number>,
  gone: Record<string, number>,
): MemoryLearning =>
  observe(state, { loaded: sized({ ...stayed, ...came }), evicted: sized(gone), loadedNew: sized(came) });

describe('what fits', () => {
  const held = together(NO_MEMORY_KNOWN, { a: 6, b: 4 });
  const bounded = pushedOut(held, { a: 6 }, { c: 8 }, { b: 4 });

  it.each<[string, MemoryLearning, number[], number, 'yes' | 'no' | 'unknown']>([
    ['a model alone', NO_MEMORY_KNOWN, [], 100, 'yes'],
    ['a model alone, however large', bounded, [], 100, 'yes'],
    ['two of which nothing is known', NO_MEMORY_KNOWN, [1], 1, 'unknown'],
    ['as much as was held', held, [5], 5, 'yes'],
    ['more than was held', held, [5], 6, 'unknown'],
    ['as much as was held, in more models', held, [1, 1], 1, 'unknown'],
    ['as much as was too much', bounded, [10], 8, 'no'],
    ['what was held when something was pushed out', bounded, [10], 4, 'yes'],
    ['less than was too much, more than was held', bounded, [10], 7, 'unknown'],
  ])('%s', (_what, state, loaded, size, answer) => {
    expect(fits(state, loaded, size)).toBe(answer);
  });

  it('a larger set seen later lifts the bound that it contradicts', () => {
    expect(bounded.tooManyBytes).toBe(18);
    expect(together(bounded, { a: 10, b: 7 })).toMatchObject({ heldBytes: 17, tooManyBytes: 18 });
    const lifted = together(bounded, { a: 10, b: 10 });
    expect(lifted).toMatchObject({ heldBytes: 20, tooManyBytes: Number.POSITIVE_INFINITY });
    expect(fits(lifted, [10], 9)).toBe('yes');
  });

  it('what is pushed out of memory that once held as much shows that there is less of it', () => {
    const less = pushedOut(together(NO_MEMORY_KNOWN, { a: 10, b: 9, d: 1 }), { a: 5 }, { c: 4 }, { b: 6 });
    expect(less).toMatchObject({ heldBytes: 9, tooManyBytes: 15 });
    expect(fits(less, [10], 8)).toBe('no');
  });

  it('small models that push each other out meet the limit of their number', () => {
    const roomy = together(NO_MEMORY_KNOWN, { a: 50, b: 50 });
    const state = pushedOut(roomy, { a: 1, b: 1 }, { c: 1 }, { d: 1 });
    expect(state).toMatchObject({ heldCount: 3, tooManyCount: 4, tooManyBytes: Number.POSITIVE_INFINITY });
    expect(fits(state, [1, 1, 1], 1)).toBe('no');
    expect(fits(state, [30, 30], 30)).toBe('yes');
    expect(together(state, { a: 1, b: 1, c: 1, d: 1 }).tooManyCount).toBe(Number.POSITIVE_INFINITY);
  });

  it('two large models that push each other out say nothing of two small ones', () => {
    const state = pushedOut(together(NO_MEMORY_KNOWN, { a: 10 }), {}, { b: 10 }, { a: 10 });
    expect(fits(state, [10], 10)).toBe('no');
    expect(fits(state, [3], 3)).toBe('unknown');
  });

  it('what goes without anything coming, or comes without anything going, is no limit', () => {
    const quiet = observe(NO_MEMORY_KNOWN, {
      loaded: sized({ a: 1 }),
      evicted: sized({ b: 1 }),
      loadedNew: [],
    });
    expect(quiet.tooManyBytes).toBe(Number.POSITIVE_INFINITY);
    const came = pushedOut(NO_MEMORY_KNOWN, { a: 1 }, { b: 1 }, {});
    expect(came.tooManyBytes).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('between two looks', () => {
  const before = [
    { key: 'a', size: 1, expiresAt: 100_000 },
    { key: 'b', size: 2, expiresAt: 300_000 },
    { key: 'c', size: 3, expiresAt: Number.POSITIVE_INFINITY },
  ];
  const keys = (models: readonly Loaded[]) => models.map(({ key }) => key);

  it.each<[string, Record<string, number>, number, string[], string[], string[]]>([
    ['nothing happened', { a: 1, b: 2, c: 3 }, 50_000, [], [], []],
    ['one was pushed out', { b: 2, c: 3, d: 4 }, 50_000, [], ['a'], ['d']],
    ['the time of one was up', { b: 2, c: 3, d: 4 }, 100_000, [], [], ['d']],
    ['the time of one was as good as up', { b: 2, c: 3, d: 4 }, 91_000, [], [], ['d']],
    ['the time of one was up and one was pushed out', { c: 3, d: 4 }, 150_000, [], ['b'], ['d']],
    ['one that stays for ever was pushed out', { a: 1, b: 2, d: 4 }, 50_000, [], ['c'], ['d']],
    ['one was unloaded', { a: 1, b: 2, d: 4 }, 50_000, ['c'], [], ['d']],
    ['one came anew with more context', { a: 9, b: 2, c: 3 }, 50_000, [], [], ['a']],
  ])('%s', (_what, after, now, unloaded, evicted, came) => {
    const change = changeBetween(before, sized(after), now, new Set(unloaded));
    expect(keys(change.evicted)).toEqual(evicted);
    expect(keys(change.loadedNew)).toEqual(came);
    expect(change.loaded).toEqual(sized(after));
  });
});

describe('who makes room', () => {
  const limit: MemoryLearning = { heldBytes: 10, heldCount: 3, tooManyBytes: 11, tooManyCount: 4 };
  const row = (key: string, size: number, expiresAt: number, more: Partial<Evictable> = {}): Evictable => ({
    key,
    size,
    expiresAt,
    busy: false,
    ...more,
  });

  it.each<[string, Evictable[], number, string[]]>([
    ['nobody where it fits', [row('a', 4, 1), row('b', 4, 2)], 2, []],
    ['the one that expires first', [row('a', 5, 2), row('b', 5, 1)], 4, ['b']],
    ['as many as it takes', [row('a', 4, 3), row('b', 3, 1), row('c', 3, 2)], 6, ['b', 'c']],
    ['idle ones before busy ones', [row('a', 5, 1, { busy: true }), row('b', 5, 2)], 4, ['b']],
    ['busy ones where the idle do not do', [row('a', 8, 1, { busy: true }), row('b', 2, 2)], 9, ['b', 'a']],
    ['those that stay for ever last', [row('a', 5, Number.POSITIVE_INFINITY), row('b', 5, 9)], 4, ['b']],
    ['one where there are too many', [row('a', 1, 3), row('b', 1, 1), row('c', 1, 2)], 1, ['b']],
    ['all, for one that fits only alone', [row('a', 5, 1), row('b', 5, 2)], 50, ['a', 'b']],
    [
      'the shortest keep_alive first where it is known of all',
      [row('a', 5, 1, { keepAliveMs: 600 }), row('b', 5, 2, { keepAliveMs: 300 })],
      4,
      ['b'],
    ],
    [
      'the one that expires first where it is not',
      [row('a', 5, 1, { keepAliveMs: 600 }), row('b', 5, 2)],
      4,
      ['a'],
    ],
  ])('%s', (_what, loaded, size, gone) => {
    expect(victims(limit, loaded, size)).toEqual(gone);
  });

  it('is nobody while nothing is known', () => {
    expect(victims(NO_MEMORY_KNOWN, [row('a', 5, 1)], 5)).toEqual([]);
  });
});
