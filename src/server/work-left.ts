import type { Clock } from '../clock.ts';
import type { ModelWork } from '../fleet/load.ts';
import { shared } from '../routing/finish.ts';
import type { GpuFacts } from './gpu-facts.ts';
import { GpuWork } from './gpu-work.ts';
import type { Queues, Waiting } from './queues.ts';
import type { RunningRequests } from './running.ts';
import { Turnout } from './turnout.ts';

/** How much work one Ollama has before it: of what runs, what waits and what is being loaded. Times are ms. */
export class WorkLeft {
  readonly gpu: GpuWork;
  readonly turnout = new Turnout();
  readonly #facts: GpuFacts;
  readonly #running: RunningRequests;
  readonly #queues: Queues;

  constructor(clock: Clock, facts: GpuFacts, running: RunningRequests, queues: Queues) {
    this.gpu = new GpuWork(clock);
    this.#facts = facts;
    this.#running = running;
    this.#queues = queues;
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
    let sum = this.#running.isLoading(model) ? this.#facts.loadMs(model) : 0;
    for (const one of this.#running.of(model)) sum += this.gpu.left(one);
    let waitingMs = 0;
    for (const one of queued) waitingMs += one.workMs;
    return sum + waitingMs * this.turnout.of(model);
  }
}
