import type { Clock } from '../clock.ts';
import type { ModelWork } from '../fleet/load.ts';
import { shared } from '../routing/finish.ts';
import type { GpuFacts } from './gpu-facts.ts';
import { GpuWork } from './gpu-work.ts';
import type { Queues, Waiting } from './queues.ts';
import { RecentWork } from './recent-work.ts';
import type { Running, RunningRequests } from './running.ts';
import { Turnout } from './turnout.ts';

/** Of a load that takes longer than expected this much of the expected is thought to be left. */
const LOAD_LEFT_AT_LEAST = 0.1;

/** How much work one Ollama has before it: of what runs, what waits and what is being loaded. Times are ms. */
export class WorkLeft {
  readonly gpu: GpuWork;
  readonly turnout = new Turnout();
  readonly recent: RecentWork;
  readonly #clock: Clock;
  readonly #facts: GpuFacts;
  readonly #running: RunningRequests;
  readonly #queues: Queues;

  constructor(clock: Clock, facts: GpuFacts, running: RunningRequests, queues: Queues) {
    this.gpu = new GpuWork(clock);
    this.recent = new RecentWork(clock);
    this.#clock = clock;
    this.#facts = facts;
    this.#running = running;
    this.#queues = queues;
  }

  /** Ends one that ran; see `GpuWork.end`. */
  end(one: Running): number {
    this.recent.add(one.model, this.gpu.done(one));
    return this.gpu.end(one);
  }

  /** Time until the turn of one who waits for a slot in a model that is loaded or being loaded. */
  aheadMs(waiting: Waiting): number {
    const { model } = waiting.job;
    const workMs = this.#workMs(model, this.#queues.ahead(waiting));
    return shared(this.#atWork(), model, workMs / this.#facts.slots(model));
  }

  /** Work of all that runs of a model and of those who wait for it and will come, of the GPU alone. */
  of(model: string): number {
    return this.#workMs(model, this.#queues.of(model));
  }

  #atWork(): ModelWork[] {
    const models = new Set(this.#queues.models());
    for (const { model } of this.#running) models.add(model);
    return [...models].map((model) => ({ model, backlogMs: this.of(model) }));
  }

  #workMs(model: string, queued: Iterable<Waiting>): number {
    const loader = this.#running.loader(model);
    let sum = loader ? this.#loadLeft(loader) : 0;
    for (const one of this.#running.of(model)) sum += this.gpu.left(one);
    let waitingMs = 0;
    for (const one of queued) waitingMs += one.workMs;
    return sum + waitingMs * this.turnout.of(model);
  }

  #loadLeft({ model, loadSince }: Running): number {
    const ms = this.#facts.loadMs(model);
    const passed = loadSince === undefined ? 0 : this.#clock.now() - loadSince;
    return Math.max(ms - passed, ms * LOAD_LEFT_AT_LEAST);
  }
}
