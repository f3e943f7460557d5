import { describe, expect, it } from 'vitest';
import { at, request, SLOW, waits } from './_binding.ts';
import { elapse } from './_virtual-gpu.ts';

describe('a request at servers that are busy', () => {
  it('waits at the best, and besides only where it would end sooner if begun now', () => {
    const rig = request({
      a: SLOW,
      b: { finishMs: 9000, immediateMs: 2999 },
      c: { finishMs: 9000, immediateMs: 3000 },
    });
    expect(waits(rig)).toEqual({ a: 1, b: 1, c: 0 });
  });

  it('has six places at most', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const rig = request(Object.fromEntries(names.map((name, i) => [name, { ...SLOW, finishMs: 3000 + i }])));
    expect(waits(rig)).toEqual({ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 0 });
    rig.servers.g!.guess = { finishMs: 1500, immediateMs: 1000 };
    rig.changed();
    expect(rig.servers.g!.waiting).toBe(1);
    expect(Object.values(waits(rig)).reduce((sum, n) => sum + n)).toBe(6);
  });

  it.each([0, 5])('takes the first seat and gives up the other places, %i ms away', (delayMs) => {
    const rig = request({ a: SLOW, b: SLOW, c: SLOW }, { delayMs });
    rig.servers.b!.finish();
    elapse(rig.clock, 10);
    expect(at(rig)).toEqual(['b']);
    expect([rig.servers.a!.closed, rig.servers.c!.closed]).toEqual([1, 1]);
    rig.servers.a!.finish();
    elapse(rig.clock, 1000);
    expect([at(rig), rig.servers.a!.active]).toEqual([['b'], 0]);
  });

  it('gives the second of two seats at once back', () => {
    const rig = request({ a: SLOW, b: SLOW }, { delayMs: 5 });
    rig.servers.a!.finish();
    rig.servers.b!.finish();
    elapse(rig.clock, 6);
    expect(at(rig)).toEqual(['a']);
    expect([rig.servers.a!.active, rig.servers.b!.active]).toEqual([1, 0]);
  });

  it('gives a seat back that would cost a load for nothing, and is served elsewhere', () => {
    const rig = request({
      a: { finishMs: 3000, immediateMs: 500 },
      b: { finishMs: 9000, immediateMs: 2000, warm: false },
    });
    elapse(rig.clock, 2000);
    rig.servers.b!.finish();
    expect([at(rig), rig.servers.b!.active]).toEqual([[], 0]);
    rig.servers.a!.finish();
    expect(at(rig)).toEqual(['a']);
  });

  it('tries the others when its server is gone', () => {
    const rig = request({ a: SLOW, b: { finishMs: 9000, immediateMs: 6000 } });
    expect(waits(rig)).toEqual({ a: 1, b: 0 });
    rig.servers.a!.gone = true;
    rig.changed();
    expect(waits(rig)).toEqual({ a: 0, b: 1 });
    rig.servers.b!.finish();
    expect([at(rig), rig.none]).toEqual([['b'], []]);
  });

  it('notices as time passes, told or not', () => {
    const rig = request({ a: SLOW, b: { finishMs: 9000, immediateMs: 6000 } });
    rig.servers.a!.gone = true;
    elapse(rig.clock, 251);
    expect(waits(rig)).toEqual({ a: 0, b: 1 });
  });

  it('thinks of a wait that is over that it lasts as long again', () => {
    const rig = request({ a: SLOW, b: { finishMs: 9000, immediateMs: 5000 } });
    rig.servers.b!.guess = { finishMs: 9000, immediateMs: 1900 };
    elapse(rig.clock, 1500);
    expect(waits(rig)).toEqual({ a: 1, b: 0 });
    elapse(rig.clock, 1000);
    expect(waits(rig)).toEqual({ a: 1, b: 1 });
  });

  it('keeps to lower tiers while there are any', () => {
    const rig = request({
      a: { ...SLOW, tier: 1 },
      b: { finishMs: 9000, immediateMs: 8000 },
      c: { finishMs: 9500, immediateMs: 8000 },
    });
    expect(waits(rig)).toEqual({ a: 0, b: 1, c: 1 });
    for (const name of ['b', 'c']) rig.servers[name]!.gone = true;
    rig.changed();
    expect(waits(rig)).toEqual({ a: 1, b: 0, c: 0 });
  });
});
