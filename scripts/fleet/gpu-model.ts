import type { Cancel, Clock } from '../../src/clock.ts';
import type { FleetGpu, FleetModel } from './world.ts';

/** What a request makes a GPU do. */
export interface GpuJob {
  readonly model: FleetModel;
  /** Names what the prompt is a continuation of. */
  readonly conversation: string;
  readonly promptTokens: number;
  /** As many of them were read and written before, wherever the last turn ran. */
  readonly prefixTokens: number;
  readonly outputTokens: number;
}

interface Run {
  readonly job: GpuJob;
  /** Work left, ms of the whole GPU. */
  leftMs: number;
  readonly onDone: () => void;
}

/** Conversations whose beginning a loaded model remembers, as the simulated Ollama. */
const MAX_CACHED = 8;
/** Rounding of sums of times, ms. */
const EPSILON_MS = 1e-6;

/**
 * What a simulated GPU does with what it is sent, without answering anything: one slot a model, one load at a time,
 * the model that was idle longest goes first, and the models at work share the GPU. On a virtual clock it tells how
 * a run would go; on the real one it tells what the GPU beside it must be doing.
 */
export class GpuModel {
  loads = 0;
  readonly gpu: FleetGpu;
  readonly #clock: Clock;
  /** When each loaded model was used last, on the clock. */
  readonly #loaded = new Map<FleetModel, number>();
  readonly #cached = new Map<string, { model: FleetModel; tokens: number }>();
  #running: Run[] = [];
  #waiting: Run[] = [];
  #loading: FleetModel | undefined;
  #at = 0;
  #stop: Cancel = () => {};

  constructor(clock: Clock, gpu: FleetGpu, preloaded: readonly FleetModel[] = []) {
    this.#clock = clock;
    this.gpu = gpu;
    for (const model of preloaded) this.#loaded.set(model, clock.now());
  }

  /** Requests that run or wait. */
  get inFlight(): number {
    return this.#running.length + this.#waiting.length;
  }

  has(model: FleetModel): boolean {
    return this.#loaded.has(model);
  }

  /** Work left for each model, ms of the whole GPU. */
  backlog(): Map<FleetModel, number> {
    this.#advance();
    const left = new Map<FleetModel, number>();
    for (const { job, leftMs } of [...this.#running, ...this.#waiting]) {
      left.set(job.model, (left.get(job.model) ?? 0) + Math.max(0, leftMs));
    }
    return left;
  }

  /** How long a job takes with the GPU to itself, ms. */
  workMs({ model, conversation, promptTokens, prefixTokens, outputTokens }: GpuJob): number {
    const cached = Math.min(this.#cached.get(conversation)?.tokens ?? 0, prefixTokens);
    const unread = Math.max(1, promptTokens - cached);
    return (unread * model.prefillMsPerToken + outputTokens * model.decodeMsPerToken) / this.gpu.speed;
  }

  /** Whom loading a model would push out; undefined when nothing has to be loaded. */
  victims(model: FleetModel): FleetModel[] | undefined {
    if (this.#loaded.has(model) || this.#loading === model) return undefined;
    const victims: FleetModel[] = [];
    let used = [...this.#loaded.keys()].reduce((sum, { size }) => sum + size, 0);
    const order = [...this.#loaded].sort(
      ([a, usedA], [b, usedB]) => Number(this.#inUse(a)) - Number(this.#inUse(b)) || usedA - usedB,
    );
    for (const [victim] of order) {
      if (used + model.size <= this.gpu.memory) break;
      victims.push(victim);
      used -= victim.size;
    }
    return victims;
  }

  /** Takes a job and calls back when it has ended. What is returned ends it sooner: the real one has ended. */
  start(job: GpuJob, onDone: () => void): Cancel {
    this.#advance();
    const run: Run = { job, leftMs: this.workMs(job), onDone };
    this.#waiting.push(run);
    this.#schedule();
    return () => {
      if (!this.#running.includes(run) && !this.#waiting.includes(run)) return;
      this.#waiting = this.#waiting.filter((one) => one !== run);
      this.#end([run]);
    };
  }

  #busy(model: FleetModel): boolean {
    return this.#running.some(({ job }) => job.model === model);
  }

  /** Ollama does not push out a model that requests wait for. */
  #inUse(model: FleetModel): boolean {
    return this.#busy(model) || this.#waiting.some(({ job }) => job.model === model);
  }

  #advance(): void {
    const now = this.#clock.now();
    const share = this.#running.length;
    for (const run of this.#running) run.leftMs -= (now - this.#at) / share;
    this.#at = now;
  }

  #schedule(): void {
    for (const run of [...this.#waiting]) this.#tryToRun(run);
    this.#stop();
    const share = this.#running.length;
    const next = Math.min(...this.#running.map(({ leftMs }) => leftMs));
    this.#stop = share === 0 ? () => {} : this.#clock.after(Math.max(0, next) * share, () => this.#end());
  }

  #tryToRun(run: Run): void {
    const { model } = run.job;
    if (this.#loaded.has(model)) {
      if (this.#busy(model)) return;
      this.#waiting.splice(this.#waiting.indexOf(run), 1);
      run.leftMs = this.workMs(run.job);
      this.#running.push(run);
    } else if (!this.#loading && run === this.#nextToLoad()) this.#load(model);
  }

  /** Loads happen in the order in which they were asked for. */
  #nextToLoad(): Run | undefined {
    return this.#waiting.find(({ job }) => !this.#loaded.has(job.model));
  }

  #load(model: FleetModel): void {
    const victims = this.victims(model) ?? [];
    if (victims.some((victim) => this.#inUse(victim))) return;
    for (const victim of victims) {
      this.#loaded.delete(victim);
      for (const [key, cached] of this.#cached) if (cached.model === victim) this.#cached.delete(key);
    }
    this.#loading = model;
    this.loads += 1;
    this.#clock.after(model.loadMs, () => {
      this.#advance();
      this.#loaded.set(model, this.#clock.now());
      this.#loading = undefined;
      this.#schedule();
    });
  }

  /** Ends the runs that have no work left, and those given. */
  #end(early: readonly Run[] = []): void {
    this.#advance();
    const over = this.#running.filter((run) => run.leftMs <= EPSILON_MS || early.includes(run));
    this.#running = this.#running.filter((run) => !over.includes(run));
    const done = [...new Set([...over, ...early])];
    for (const { job } of done) {
      if (this.#loaded.has(job.model)) this.#loaded.set(job.model, this.#clock.now());
      this.#remember(job);
    }
    this.#schedule();
    for (const { onDone } of done) onDone();
  }

  #remember({ model, conversation, promptTokens, outputTokens }: GpuJob): void {
    this.#cached.delete(conversation);
    const same = [...this.#cached].filter(([, cached]) => cached.model === model);
    const [oldest] = same;
    if (oldest && same.length >= MAX_CACHED) this.#cached.delete(oldest[0]);
    this.#cached.set(conversation, { model, tokens: promptTokens + outputTokens });
  }
}
