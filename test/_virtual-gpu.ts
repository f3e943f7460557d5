import { VirtualClock } from '../scripts/sim/virtual-clock.ts';
import type { Job, Seat, SeatResult, Ticket } from '../src/routing/desk.ts';
import { Admission } from '../src/server/admission.ts';
import type { Victims } from '../src/server/gpu-facts.ts';

export interface VirtualGpuOptions {
  readonly clock?: VirtualClock;
  /** Of every model; 1 unless told. */
  readonly slots?: number;
  /** Models that fit into memory; 2 unless told. */
  readonly fits?: number;
  /** By model, ms; 1000 unless told. */
  readonly loadMs?: Readonly<Record<string, number>>;
  /** Whether it knows what a load pushes out; true unless told. */
  readonly sure?: boolean;
}

/** One request at a virtual GPU, and what became of it. */
export interface Asked {
  readonly name: string;
  readonly job: Job;
  readonly ticket: Ticket;
  /** Once it has been let in. */
  seat: Seat | undefined;
  refused: string | undefined;
  /** What it was told of those ahead, ms. */
  readonly aheadMs: number | undefined;
}

export interface Learned {
  readonly model: string;
  readonly result: SeatResult;
  readonly crowd: number;
  readonly cold: boolean;
}

/** A job of 1000 ms for `model`. A token takes 1 ms to read here. */
export function jobOf(model: string, more: Partial<Job> = {}): Job {
  const rest = { promptTokens: 1000, maxOutputTokens: undefined, numCtx: undefined };
  return { model, device: 'd', ...rest, ...more };
}

export const RESULT: SeatResult = { counters: {}, streamed: true, firstByteMs: 1, totalMs: 2 };

/** Lets `ms` pass on a virtual clock. */
export function elapse(clock: VirtualClock, ms: number): void {
  let over = false;
  clock.after(ms, () => {
    over = true;
  });
  clock.run(() => over);
}

/** The real queue before a GPU whose requests begin and end when the test says so, or by themselves. */
export class VirtualGpu {
  readonly clock: VirtualClock;
  readonly admission: Admission;
  readonly learned: Learned[] = [];
  /** Names of requests in the order they were let in. */
  readonly order: string[] = [];
  /** Times at which the list of what is loaded was asked for. */
  readonly looks: number[] = [];
  /** Models in the order they were loaded. */
  readonly loads: string[] = [];
  /** Requests at once of one model at most, and loads at once at most. */
  most = 0;
  mostLoads = 0;
  changes = 0;
  readonly #options: VirtualGpuOptions;
  readonly #running: Asked[] = [];
  #loading = 0;

  constructor(options: VirtualGpuOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? new VirtualClock();
    this.admission = new Admission({
      clock: this.clock,
      onChange: () => {
        this.changes += 1;
      },
      onMemory: () => this.looks.push(this.clock.now()),
      facts: {
        slots: () => options.slots ?? 1,
        victims: (model, loaded) => this.#victims(model, loaded),
        loadMs: (model) => this.loadMs(model),
        workMs: ({ promptTokens }) => promptTokens,
        speeds: () => ({ decodeMsPerToken: 1, prefillMsPerToken: 1, outputTokens: 0, loadMs: 1000 }),
        learn: (model, result, crowd, cold) => this.learned.push({ model, result, crowd, cold }),
      },
    });
  }

  loadMs(model: string): number {
    return this.#options.loadMs?.[model] ?? 1000;
  }

  /** A request that stays until the test ends it with `begin` and `end`. */
  ask(name: string, job: Job): Asked {
    return this.#ask(name, job, ({ seat }) => seat?.use());
  }

  /** A request that has not taken up its seat yet. */
  hold(name: string, job: Job): Asked {
    return this.#ask(name, job, () => {});
  }

  /** A request that begins once its model is loaded and ends when its work is done. */
  run(name: string, job: Job): Asked {
    return this.#ask(name, job, (asked, cold) => {
      asked.seat?.use();
      this.clock.after(cold ? this.loadMs(job.model) : 0, () => this.begin(asked));
      this.clock.after((cold ? this.loadMs(job.model) : 0) + job.promptTokens, () => this.end(asked));
    });
  }

  begin(asked: Asked): void {
    if (this.admission.loading === asked.job.model) this.#loading -= 1;
    asked.seat?.begun();
  }

  end(asked: Asked, result?: SeatResult): void {
    const at = this.#running.indexOf(asked);
    if (at !== -1) this.#running.splice(at, 1);
    if (at !== -1 && this.admission.loading === asked.job.model) this.#loading -= 1;
    asked.seat?.release(result);
  }

  /** Has a model in memory, used by a request that has just ended. */
  warm(model: string, numCtx?: number): void {
    const asked = this.ask(`warm ${model}`, jobOf(model, { numCtx }));
    this.begin(asked);
    this.end(asked);
    this.order.length = 0;
    this.loads.length = 0;
  }

  #ask(name: string, job: Job, onSeat: (asked: Asked, cold: boolean) => void): Asked {
    let early: Seat | undefined;
    let late: Asked | undefined;
    let refused: string | undefined;
    let aheadMs: number | undefined;
    const seated = (asked: Asked, seat: Seat, cold: boolean) => {
      asked.seat = seat;
      this.#running.push(asked);
      this.most = Math.max(this.most, this.#running.filter((one) => one.job.model === job.model).length);
      onSeat(asked, cold);
    };
    let earlyCold = false;
    const ticket = this.admission.open(job, {
      onSeat: (seat) => {
        this.order.push(name);
        const cold = this.admission.loading === job.model;
        if (cold) {
          this.loads.push(job.model);
          this.#loading += 1;
          this.mostLoads = Math.max(this.mostLoads, this.#loading);
        }
        if (late) return seated(late, seat, cold);
        early = seat;
        earlyCold = cold;
      },
      onQueued: (ms) => {
        aheadMs = ms;
      },
      onRefused: (reason) => {
        refused = reason;
      },
    });
    const asked: Asked = { name, job, ticket, seat: undefined, refused, aheadMs };
    late = asked;
    if (early) seated(asked, early, earlyCold);
    return asked;
  }

  #victims(model: string, loaded: readonly string[]): Victims {
    const { fits = 2, sure = true } = this.#options;
    const others = loaded.filter((key) => key !== model);
    return { keys: others.slice(0, Math.max(0, others.length + 1 - fits)), sure };
  }
}

/** What is told of the load of `model`. */
export const loadOf = (gpu: VirtualGpu, model: string) => gpu.admission.load().models[model];
