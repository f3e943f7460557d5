import { VirtualClock } from '../scripts/sim/virtual-clock.ts';
import { bind } from '../src/routing/binding.ts';
import type { Desk, Job, Seat } from '../src/routing/desk.ts';
import type { Option } from '../src/routing/valuation.ts';
import { type Asked, jobOf, VirtualGpu } from './_virtual-gpu.ts';

/** What a test has a request expect of a server. */
export interface Guess {
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
  broken = false;
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
    if (this.broken) {
      later(() => events.onFailed());
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
export function request(
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

/** The servers that a request got seats at, in the order they came. */
export const at = ({ seats }: Rig) => seats.map((one) => one.at);

/** The places that a request has in queues, by server. */
export const waits = ({ servers }: Rig) =>
  Object.fromEntries(Object.entries(servers).map(([name, one]) => [name, one.waiting]));

/** A server at which the request has 2 s to wait, and then runs for 1 s. */
export const SLOW: Guess = { finishMs: 3000, immediateMs: 1000 };
