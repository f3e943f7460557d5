import { describe, expect, it } from 'vitest';
import { at, type Guess, request, SLOW, waits } from './_binding.ts';
import { elapse } from './_virtual-gpu.ts';

describe('a request at servers that are free', () => {
  it('takes the seat at the best at once, without a place in any queue', () => {
    const rig = request(
      {
        a: { finishMs: 900, immediateMs: 900, free: true },
        b: { finishMs: 500, immediateMs: 500, free: true },
      },
      { busy: false },
    );
    expect([at(rig), waits(rig)]).toEqual([['b'], { a: 0, b: 0 }]);
    expect(rig.servers.b!.active).toBe(1);
  });

  it('waits for a faster one the less, the more are free', () => {
    const free = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [`f${i}`, { finishMs: 6000, immediateMs: 6000, free: true }]),
      );
    expect(at(request({ a: SLOW, ...free(1) }, { busy: false }))).toEqual(['a']);
    expect(at(request({ a: SLOW, ...free(4) }, { busy: false }))).toEqual(['f0']);
  });

  it.each([
    ['takes the free one', 4900, 'b'],
    ['waits', 5100, 'a'],
  ])('%s where that ends in %i ms, and a wait of 2 s for a faster one in 3 s', (_, freeMs, taken) => {
    const rig = request(
      { a: SLOW, b: { finishMs: freeMs, immediateMs: freeMs, free: true } },
      { busy: false },
    );
    expect(at(rig)[0]).toBe(taken);
  });

  it('waits in its queue where the seat is taken after all', () => {
    const rig = request({ a: { finishMs: 500, immediateMs: 500, free: true } });
    expect([at(rig), waits(rig), rig.servers.a!.taken]).toEqual([[], { a: 1 }, 1]);
    rig.servers.a!.finish();
    expect(at(rig)).toEqual(['a']);
  });
});

describe('a request at a server that is not as free as it told', () => {
  const told: Guess = { finishMs: 500, immediateMs: 500, free: true };

  it('takes the seat at a slower one as soon as it knows how long it would wait', () => {
    const rig = request(
      { a: told, b: { finishMs: 1400, immediateMs: 1400, free: true } },
      { prepare: ({ b }) => b!.finish() },
    );
    expect([at(rig), waits(rig)]).toEqual([['b'], { a: 0, b: 0 }]);
  });

  it('waits there where that is still the sooner end', () => {
    const rig = request(
      { a: told, b: { finishMs: 9000, immediateMs: 9000, free: true } },
      { prepare: ({ b }) => b!.finish() },
    );
    expect([at(rig), waits(rig)]).toEqual([[], { a: 1, b: 0 }]);
  });
});

describe('a server that has failed', () => {
  const FREE: Guess = { finishMs: 2000, immediateMs: 2000, free: true, tier: 8, standsIn: true };

  it.each<[string, Guess, Guess, string[]]>([
    ['takes what would have to wait', SLOW, FREE, ['b']],
    [
      'takes nothing while a better one is free',
      { ...FREE, finishMs: 2500, tier: 0, standsIn: false },
      FREE,
      ['a'],
    ],
    ['takes nothing that ends sooner after a wait', SLOW, { ...FREE, finishMs: 3500 }, ['a']],
    [
      'takes nothing while a better one only has to load',
      { ...FREE, finishMs: 5000, immediateMs: 5000, free: false, tier: 0, standsIn: false },
      FREE,
      ['a'],
    ],
    ['takes nothing while it rests', SLOW, { ...FREE, standsIn: false }, ['a']],
  ])('%s', (_, a, b, is) => {
    expect(at(request({ a, b }, { busy: false }))).toEqual(is);
  });
});

describe('a request that nobody takes', () => {
  it.each([0, 5])('says why, once, when all refuse, %i ms away', (delayMs) => {
    const rig = request(
      { a: SLOW, b: { finishMs: 9000, immediateMs: 8000 } },
      {
        delayMs,
        prepare: ({ a, b }) => {
          a!.refusal = 'full';
          b!.refusal = 'fuller';
        },
      },
    );
    elapse(rig.clock, 1000);
    expect([at(rig), rig.none]).toEqual([[], ['full']]);
  });

  it('is refused at one and served at the other', () => {
    const rig = request(
      { a: SLOW, b: { finishMs: 9000, immediateMs: 8000 } },
      {
        prepare: ({ a }) => {
          a!.refusal = 'full';
        },
      },
    );
    rig.servers.b!.finish();
    expect([at(rig), rig.none, rig.servers.a!.opened.length]).toEqual([['b'], [], 1]);
  });

  it.each([0, 5])('has not been refused where nobody could be reached, %i ms away', (delayMs) => {
    const broken = ({ a }: Readonly<Record<string, { broken: boolean }>>) => {
      a!.broken = true;
    };
    const rig = request({ a: SLOW }, { delayMs, prepare: broken });
    elapse(rig.clock, 1000);
    expect([at(rig), rig.none, rig.servers.a!.opened.length]).toEqual([[], [undefined], 1]);
  });

  it('says so when there is no server', () => {
    expect(request({}).none).toEqual([undefined]);
  });

  it('leaves all queues when it is cancelled', () => {
    const rig = request({ a: SLOW, b: SLOW }, { delayMs: 5 });
    rig.servers.a!.finish();
    rig.cancel();
    rig.cancel();
    elapse(rig.clock, 1000);
    for (const one of Object.values(rig.servers)) expect(one.load().models.x?.queued).toBe(0);
    expect([at(rig), rig.none, rig.servers.a!.active, rig.servers.b!.closed]).toEqual([[], [], 0, 1]);
  });
});
