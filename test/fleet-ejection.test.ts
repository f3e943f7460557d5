import { describe, expect, it } from 'vitest';
import { type Ejection, NO_EJECTION, nextEjection, restMs } from '../src/fleet/ejection.ts';
import type { PoolServer } from '../src/fleet/pool.ts';
import type { VerdictEvent, VerdictState } from '../src/fleet/verdict-rules.ts';
import { rank } from '../src/routing/policy.ts';
import { until } from './_deadline.ts';
import { failed, fleetOf } from './_fleet.ts';

const COMPLETED: VerdictEvent = { type: 'completed' };

/** The count after events at these times, ms. */
function counted(...events: readonly (readonly [number, VerdictEvent])[]): Ejection {
  return events.reduce<Ejection>((found, [at, event]) => nextEjection(found, event, at), NO_EJECTION);
}

describe('failures in a row', () => {
  it.each<[string, readonly (readonly [number, VerdictEvent])[], number]>([
    ['are counted', [0, 2000, 4000].map((at) => [at, failed('stream')]), 3],
    ['are one when they come together', [0, 300, 900].map((at) => [at, failed('stream')]), 1],
    [
      'are of both kinds',
      [
        [0, failed('stream')],
        [2000, failed('status')],
      ],
      2,
    ],
    [
      'end with a completed stream',
      [
        [0, failed('status')],
        [2000, failed('status')],
        [2001, COMPLETED],
      ],
      0,
    ],
    [
      'do not end with a passed probe',
      [
        [0, failed('status')],
        [2000, { type: 'probe-passed' }],
      ],
      1,
    ],
    [
      'are not those of a dead server',
      [
        [0, failed('dial')],
        [2000, { type: 'probe-failed', reason: '' }],
      ],
      0,
    ],
  ])('%s', (_, events, count) => {
    expect(counted(...events).failures).toBe(count);
  });

  it('cost a rest that grows from the second on, up to a minute', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 2000].map(restMs)).toEqual([
      0, 0, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
    ]);
  });

  it('are the same object when nothing changed', () => {
    expect(nextEjection(NO_EJECTION, COMPLETED, 1)).toBe(NO_EJECTION);
    const once = counted([0, failed('stream')]);
    expect(nextEjection(once, failed('stream'), 10)).toBe(once);
  });
});

describe('a server that rests', () => {
  it('is asked after the others of its kind, and is still asked when it is the last', () => {
    const one = (name: string, state: VerdictState, resting: boolean): PoolServer =>
      ({
        deviceId: name,
        verdict: { state, sinceMs: 0, cause: 'status', reason: '' },
        resting,
        kind: 'ollama',
        modelKeys: new Set(['m']),
        loadedKeys: new Set(),
        inFlight: 0,
      }) as unknown as PoolServer;
    const pool = [
      one('unreliable resting', 'unreliable', true),
      one('reliable resting', 'reliable', true),
      one('second chance', 'second-chance', false),
      one('second chance resting', 'second-chance', true),
      one('unreliable', 'unreliable', false),
      one('reliable', 'reliable', false),
    ];
    const want = { modelKey: 'm', tried: new Set<string>(), turn: 0 };
    expect(rank(pool, want).map(({ server }) => server.deviceId)).toEqual([
      'reliable',
      'reliable resting',
      'unreliable',
      'second chance',
      'unreliable resting',
      'second chance resting',
    ]);
    expect(rank(pool.slice(0, 1), want)).toHaveLength(1);
  });

  it('has rested when its time is over, and at once when it completes', async () => {
    await using test = await fleetOf(1);
    const [id] = test.ids as [string];
    const resting = () => test.fleet.server(id)?.resting;
    const fail = () => {
      test.fleet.judge(id, failed('status'));
      test.skip(1500);
    };
    fail();
    expect(resting()).toBe(false);
    fail();
    expect(resting()).toBe(true);
    test.fleet.judge(id, COMPLETED);
    expect(resting()).toBe(false);
    fail();
    fail();
    expect(resting()).toBe(true);
    await until(6000, 'the rest to be over', () => resting() === false);
  });
});

describe('a server that fails again', () => {
  it('is news with each failure, and not with each turn that it gets', async () => {
    await using test = await fleetOf(1);
    const [id] = test.ids as [string];
    for (let i = 0; i < 3; i += 1) {
      test.fleet.judge(id, failed('status'));
      test.fleet.judge(id, { type: 'turns-over' });
    }
    const told = test.events.flatMap((event) =>
      event.type === 'verdict-changed' ? [event.verdict.state] : [],
    );
    expect(told).toEqual(['unreliable', 'second-chance', 'second-chance']);
  });
});
