import { describe, expect, it } from 'vitest';
import { type ModelLoad, serverLoad } from '../src/fleet/load.ts';
import { Demand, type Holder, ORDINARY_LOAD, weightOf } from '../src/routing/demand.ts';
import { UNLOADED } from '../src/routing/finish.ts';

const COLD = { loadMs: 2000, evictsMs: 600, evicts: ['small'] };
const SMALL = { loaded: true, loadMs: 600 };

function server(
  deviceId: string,
  rows: Readonly<Record<string, Partial<ModelLoad>>> = {},
  loadedKeys: readonly string[] = [],
): Holder {
  const models = Object.fromEntries(Object.entries(rows).map(([key, row]) => [key, { ...UNLOADED, ...row }]));
  return { deviceId, load: serverLoad(models), loadedKeys: new Set(loadedKeys) };
}

/** The demand after each of these fleets in turn. */
function demandAfter(...fleets: readonly (readonly Holder[])[]): Demand {
  const demand = new Demand();
  for (const [i, fleet] of fleets.entries()) demand.read(fleet, 1000 * i);
  return demand;
}

describe('the demand for a model', () => {
  it('is who has it in memory or loads it, whatever tells so', () => {
    const a = server('a', { x: { loaded: true }, y: { loading: true } });
    const plain = { ...server('b', {}, ['x', 'y']), load: undefined };
    // Its list is older than what it tells itself.
    const pushedOut = server('c', { x: { loaded: false } }, ['x']);
    const demand = demandAfter([a, plain, pushedOut]);
    expect(['x', 'y', 'z'].map((key) => [...demand.holders(key)])).toEqual([['a', 'b'], ['a', 'b'], []]);
  });

  it('is who waits for it in the longest queue, as one waits in several', () => {
    const fleet = [server('a', { x: { queued: 3 } }), server('b', { x: { queued: 5 } }), server('c')];
    expect(demandAfter(fleet).waiting('x')).toBe(5);
  });

  it('is spread over those that have it', () => {
    const holders = ['a', 'b'].map((id) => server(id, { x: { queued: 6, loaded: true } }));
    expect(demandAfter(holders).waiting('x')).toBe(3);
  });

  it('follows what servers tell, and forgets those that leave', () => {
    const before = [server('a', { x: { queued: 3, loaded: true } }), server('b', { x: { queued: 5 } })];
    const after = [before[0] as Holder, server('b', { x: { queued: 1 } })];
    expect(demandAfter(before, after).waiting('x')).toBe(3);
    expect(demandAfter(before, after).holders('x').size).toBe(1);
    expect(demandAfter(before, [server('c')]).waiting('x')).toBe(0);
    expect(demandAfter(before, [server('c')]).holders('x').size).toBe(0);
    expect(demandAfter(before, []).holders('x').size).toBe(0);
  });
});

describe('what a load weighs', () => {
  const here = server('here', { big: COLD, small: SMALL });
  const other = server('other', { small: SMALL });
  const weightAt = (fleet: readonly Holder[]) => weightOf(demandAfter(fleet), 'big', fleet[0]?.load);

  it('is ordinary while what it pushes out is held elsewhere and nobody waits', () => {
    expect(weightAt([here, other])).toEqual(ORDINARY_LOAD);
  });

  it('is more of a model that another has in memory', () => {
    const busy = server('other', { small: SMALL, big: { loaded: true } });
    expect(weightAt([here, busy])).toEqual({ ...ORDINARY_LOAD, again: 1.5 });
    const empty = server('here', { big: { ...COLD, evicts: [] } });
    expect(weightAt([empty, busy])).toEqual({ ...ORDINARY_LOAD, again: 1.5 });
    expect(weightAt([empty, other])).toEqual(ORDINARY_LOAD);
  });

  it('is as much more as the balance of the fleet says', () => {
    const asked: (readonly string[])[] = [];
    const balance = (evicts: readonly string[]) => {
      asked.push(evicts);
      return 3;
    };
    expect(weightOf(demandAfter([here, other]), 'big', here.load, balance).rush).toBe(3);
    expect(asked).toEqual([['small']]);
  });

  it('is more when it pushes out what nobody else has', () => {
    expect(weightAt([here, server('other')])).toEqual({ ...ORDINARY_LOAD, scarcity: 4 });
  });

  it('is shared by those who wait for the model', () => {
    const crowded = server('other', { small: SMALL, big: { loaded: true, queued: 5 } });
    expect(weightAt([here, crowded]).rush).toBeCloseTo(2.5 / 7.5);
  });

  it('is more when many wait for what it pushes out, as many as wait for it cancelling out', () => {
    const wanted = server('other', { small: { ...SMALL, queued: 10 } });
    expect(weightAt([here, wanted]).rush).toBe(3);
    const both = server('other', { small: { ...SMALL, queued: 10 }, big: { loaded: true, queued: 5 } });
    expect(weightAt([here, both]).rush).toBe(1);
  });

  it.each([
    ['a server that tells nothing', undefined],
    ['a loaded model', server('a', { big: { ...COLD, loaded: true } }).load],
    ['free memory', server('a', { big: { loadMs: 2000 } }).load],
  ])('is ordinary for %s', (_, load) => {
    expect(weightOf(new Demand(), 'big', load)).toBe(ORDINARY_LOAD);
  });
});
