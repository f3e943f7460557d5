import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../scripts/sim/virtual-clock.ts';
import { bind } from '../src/routing/binding.ts';
import type { Desk, Job, Seat } from '../src/routing/desk.ts';
import type { Option } from '../src/routing/valuation.ts';
import { type Asked, elapse, jobOf, VirtualGpu } from './_virtual-gpu.ts';

interface Guess {
  readonly finishMs: number;
  readonly immediateMs: number;
  readonly free?: boolean;
  readonly tier?: number;
  readonly standsIn?: boolean;
  /** True unless told. */
  readonly warm?: boolean;
}

/** A real queue, `delayMs` away, that is thought to be as the test says. */
class Server implements Desk {
  readonly gpu: VirtualGpu;
  /** Jobs that tickets were opened for. */
  readonly opened: Job[] = [];
  closed = 0;
  taken = 0;
  gone = false;
  refusal: string | undefined;
  guess: Guess;
  readonly #holder: Asked | undefined;
  readonly #clock: VirtualClock;
  readonly #delayMs: number;

  constructor(clock: VirtualClock, guess: Guess, busy: boolean, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.guess = guess;
    this.gpu = new VirtualGpu({ clock });
    this.gpu.warm('x');
    this.#holder = busy ? this.gpu.ask('holder', jobOf('x')) : undefined;
  }

  /** Whoever runs there ends. */
  finish(): void {
    if (this.#holder) this.gpu.end(this.#holder);
  }

  get active(): number | undefined {
    return this.load().models.x?.active;
  }

  get waiting(): number {
    return this.opened.length - this.closed;
  }

  load = () => this.gpu.admission.load();

  take(job: Job): Seat | undefined {
    this.taken += 1;
    return this.gpu.admission.take(job);
  }

  open: Desk['open'] = (job, events) => {
    this.opened.push(job);
    const later = (fn: () => void) =>
      this.#delayMs === 0 ? fn() : void this.#clock.after(this.#delayMs, fn);
    if (this.refusal !== undefined) {
      const reason = this.refusal;
      later(() => events.onRefused(reason));
      return { close: () => {} };
    }
    const ticket = this.gpu.admission.open(job, {
      ...events,
      onSeat: (seat) => later(() => events.onSeat(seat)),
    });
    return {
      close: () => {
        this.closed += 1;
        ticket.close();
      },
    };
  };
}

interface Rig {
  readonly clock: VirtualClock;
  readonly servers: Readonly<Record<string, Server>>;
  readonly seats: { readonly at: string; readonly seat: Seat }[];
  readonly none: (string | undefined)[];
  readonly changed: () => void;
  readonly cancel: () => void;
}

/** One request and servers that are free or busy as `busy` says. */
function request(
  guesses: Readonly<Record<string, Guess>>,
  { busy = true, delayMs = 0, prepare = (_servers: Readonly<Record<string, Server>>) => {} } = {},
): Rig {
  const clock = new VirtualClock();
  const servers: Record<string, Server> = {};
  for (const [name, guess] of Object.entries(guesses))
    servers[name] = new Server(clock, guess, busy, delayMs);
  prepare(servers);
  const seats: Rig['seats'] = [];
  const none: Rig['none'] = [];
  const listeners = new Set<() => void>();
  const option = ([deviceId, desk]: readonly [string, Server]): Option => {
    const { finishMs, immediateMs, free = false, warm = true, tier = 0, standsIn = false } = desk.guess;
    return {
      deviceId,
      desk,
      tier,
      standsIn,
      job: jobOf('x'),
      estimate: { finishMs, immediateMs, free, warm },
    };
  };
  const cancel = bind({
    clock,
    dice: () => 0,
    mayTake: true,
    options: () =>
      Object.entries(servers)
        .filter(([, { gone }]) => !gone)
        .map(option),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onSeat: (seat, { deviceId }) => seats.push({ at: deviceId, seat }),
    onNone: (reason) => none.push(reason),
  });
  const changed = () => {
    for (const listener of [...listeners]) listener();
  };
  return { clock, servers, seats, none, changed, cancel };
}

const at = ({ seats }: Rig) => seats.map((one) => one.at);
const waits = ({ servers }: Rig) =>
  Object.fromEntries(Object.entries(servers).map(([name, one]) => [name, one.waiting]));
const SLOW: Guess = { finishMs: 3000, immediateMs: 1000 };

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
