import { describe, expect, it } from 'vitest';
import { type ModelLoad, serverLoad } from '../src/fleet/load.ts';
import { Balance, type Speeds } from '../src/routing/balance.ts';
import { bottleneckMs } from '../src/routing/bottleneck.ts';
import type { Holder } from '../src/routing/demand.ts';
import { UNLOADED } from '../src/routing/finish.ts';

describe('the bottleneck of a fleet', () => {
  const speeds = [4, 2, 1];
  /** Of models a, b and c in this order. */
  const of = (sets: readonly string[], work: readonly number[]) =>
    bottleneckMs({
      speeds,
      work,
      holds: sets.map((set) => [...set].reduce((bits, key) => bits | (1 << (key.charCodeAt(0) - 97)), 0)),
    });
  // A twentieth of the speed of all is spare.
  const SPARE = 0.35;

  it('is all work over all speed where every model can use every server', () => {
    expect(of(['abc', 'abc', 'abc'], [300, 200, 100])).toBeCloseTo(600 / (7 + SPARE));
  });

  it('is the model that only a slow server has', () => {
    expect(of(['ab', 'ab', 'c'], [300, 300, 300])).toBeCloseTo(300 / (1 + SPARE));
  });

  it('is the group of models that share too few servers', () => {
    expect(of(['a', 'bc', 'bc'], [100, 400, 400])).toBeCloseTo(800 / (3 + SPARE));
  });

  it('is a model that nobody has, if anybody asks for it', () => {
    expect(of(['a', 'a', 'a'], [700, 700, 0])).toBeCloseTo(700 / SPARE);
    expect(of(['a', 'b', 'b'], [10, 10, 0])).toBeLessThan(10);
  });
});

describe('what a load is worth for the balance of the fleet', () => {
  const server = (deviceId: string, ...rows: readonly [string, Partial<ModelLoad>][]): Holder => ({
    deviceId,
    load: serverLoad(Object.fromEntries(rows.map(([key, row]) => [key, { ...UNLOADED, ...row }]))),
    loadedKeys: new Set(),
  });
  const held = (recentMs: number, more: Partial<ModelLoad> = {}): Partial<ModelLoad> => ({
    loaded: true,
    recentMs,
    ...more,
  });
  const equal: Speeds = { read: () => {}, speedOf: () => 1 };
  const factor = (holders: readonly Holder[], model: string, at: string, out: string, speeds = equal) =>
    new Balance(speeds).factor(holders, at, model, [out], 0);

  it('is less than usual where much is asked of it and little of what goes', () => {
    const fleet = [
      server('a', ['busy', held(20_000)]),
      server('b', ['rare', held(500)], ['busy', {}]),
      server('c', ['rare', held(500)]),
    ];
    expect(factor(fleet, 'busy', 'b', 'rare')).toBeLessThan(0.5);
  });

  it('is more than usual where what goes is asked for more', () => {
    const fleet = [
      server('a', ['busy', held(20_000)]),
      server('b', ['busy', held(20_000)]),
      server('c', ['rare', held(500)]),
    ];
    expect(factor(fleet, 'rare', 'b', 'busy')).toBeGreaterThan(2);
  });

  it('is most where nobody else has what goes', () => {
    const fleet = [server('a', ['x', held(5000)]), server('b', ['y', held(5000)])];
    expect(factor(fleet, 'x', 'b', 'y')).toBe(8);
  });

  it('counts those who wait as much as twice what was done', () => {
    const fleet = (backlogMs: number) => [
      server('a', ['x', held(1000, { backlogMs, queued: 5 })]),
      server('b', ['y', held(4000)]),
      server('c', ['y', held(4000)]),
    ];
    expect(factor(fleet(0), 'x', 'b', 'y')).toBeGreaterThan(1.3);
    expect(factor(fleet(10_000), 'x', 'b', 'y')).toBeLessThan(0.6);
  });

  it('counts what a fast server does for as much as it is', () => {
    const fleet = [
      server('fast', ['x', held(5000)]),
      server('slow', ['y', held(5000)], ['x', {}]),
      server('third', ['y', held(0)]),
    ];
    const fast: Speeds = { ...equal, speedOf: (id) => (id === 'fast' ? 10 : 1) };
    expect(factor(fleet, 'x', 'slow', 'y', fast)).toBeLessThan(factor(fleet, 'x', 'slow', 'y'));
  });

  it('is nothing where a server tells what cannot be', () => {
    const fleet = [
      server('a', ['x', held(1.7e308)]),
      server('b', ['y', held(1.7e308)]),
      server('c', ['y', held(1.7e308)]),
    ];
    expect(factor(fleet, 'x', 'b', 'y', { ...equal, speedOf: () => 1e10 })).toBe(1);
  });

  it('is nothing in a fleet so large that one place hardly matters', () => {
    const fleet = Array.from({ length: 31 }, (_, i) => server(`s${i}`, ['y', held(5000)]));
    expect(factor(fleet, 'x', 's0', 'y')).toBe(1);
  });

  it('is looked at anew after a while', () => {
    const balance = new Balance(equal);
    const before = [server('a', ['x', held(5000)]), server('b', ['y', held(5000)])];
    const after = [server('a', ['x', held(5000)]), server('b', ['y', held(0)]), server('c', ['y', held(0)])];
    expect(balance.factor(before, 'b', 'x', ['y'], 0)).toBe(8);
    expect(balance.factor(after, 'b', 'x', ['y'], 99)).toBe(8);
    expect(balance.factor(after, 'b', 'x', ['y'], 100)).toBeLessThan(1);
  });
});
