import type { Cancel, Clock } from '../clock.ts';
import { type ModelLoad, type ServerLoad, serverLoad } from '../fleet/load.ts';
import type { Job, PlaceEvents, Seat, Ticket } from '../routing/desk.ts';
import { AUTO_CTX } from '../routing/finish.ts';
import type { GpuFacts, Victims } from './gpu-facts.ts';
import { InMemory } from './in-memory.ts';
import { Queues, type Waiting } from './queues.ts';
import { type Running, RunningRequests } from './running.ts';
import { WorkLeft } from './work-left.ts';

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly facts: GpuFacts;
  /** Something that `load` tells has changed. */
  readonly onChange: () => void;
  /** What is in memory has changed or may have: the list of it, read now, would tell. */
  readonly onMemory: () => void;
}

/** Requests for loaded models go before a load that disturbs them until it has waited this many times its cost. */
const PATIENCE = 2;
/** It wanes all the time: smaller steps than this are not worth telling, ms. */
const RECENT_STEP_MS = 100;
/** Ollama pushes models out before it begins to load: by then its list shows it, ms. */
const PUSHED_OUT_MS = 100;

/**
 * The queue in front of one Ollama: passes on what it would run at once, so that the rest can still go elsewhere.
 * One load at a time, as Ollama does it; a model that requests wait for is not pushed out before the newcomer has
 * waited as long as that costs.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #work: WorkLeft;
  readonly #queues = new Queues();
  readonly #memory = new InMemory();
  readonly #running = new RunningRequests();
  /** When a load pushed out a model, on the clock; no more of them than Ollama has had in memory. */
  readonly #pushedOutAt = new Map<string, number>();
  #stopPatience: Cancel = () => {};

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { clock, facts } = options;
    this.#work = new WorkLeft(clock, facts, this.#running, this.#queues);
  }

  /** A seat, if a slot is free in a loaded model and nobody waits for it. */
  take(job: Job): Seat | undefined {
    const { model } = job;
    if (this.#queues.sizeOf(model) > 0 || !this.#isWarm(job)) return undefined;
    if (!this.#mayRun(model, this.#draining())) return undefined;
    const seat = this.#seat(job);
    this.#options.onChange();
    return seat;
  }

  /** Waits for a seat; `onSeat` is called once, before this returns if there is one at once. */
  open(job: Job, events: PlaceEvents): Ticket {
    const refusal = this.#queues.full(job.device);
    if (refusal !== undefined) {
      events.onRefused(refusal);
      return { close: () => {} };
    }
    const { clock, facts } = this.#options;
    const waiting = { device: job.device, job, since: clock.now(), workMs: facts.workMs(job), events };
    this.#queues.add(waiting);
    this.review();
    if (this.#queues.has(waiting)) events.onQueued(this.#work.aheadMs(waiting));
    return {
      close: () => {
        if (!this.#queues.take(waiting, false)) return;
        this.#work.turnout.left(job.model);
        this.review();
      },
    };
  }

  /** Takes note of what Ollama's list says is in memory, as it was at `asOf` on the clock. */
  sync(keys: Iterable<string>, asOf: number): void {
    this.#memory.sync(keys, asOf, this.#running.isSeen, (model) => this.#found(model, asOf));
    // Let in as to a loaded model that had been pushed out: Ollama is loading it for them.
    for (const one of this.#running) if (!one.begun && !this.#memory.has(one.model)) one.cold = true;
    this.review();
  }

  /** The model that is being loaded through us, or will be as soon as a seat is taken up, if any. */
  get loading(): string | undefined {
    for (const { cold, used, model } of this.#running)
      if (cold && (!used || !this.#memory.has(model))) return model;
    return undefined;
  }

  /** How many wait for a model. */
  queued(model: string): number {
    return this.#queues.sizeOf(model);
  }

  /** What runs and waits, for those who choose among servers. `models` are those to tell of besides. */
  load(models: Iterable<string> = []): ServerLoad {
    const keys = new Set([...models, ...this.#memory.keys(this.#running.isBusy), ...this.#queues.models()]);
    for (const { model } of this.#running) keys.add(model);
    return serverLoad(Object.fromEntries([...keys].map((key) => [key, this.#loadOf(key)])));
  }

  /** Lets in whoever can run now, the one that has waited longest first. */
  review(): void {
    this.#stopPatience();
    for (let next = this.#next(); next; next = this.#next()) {
      this.#queues.take(next, true);
      next.events.onSeat(this.#seat(next.job));
    }
    this.#armPatience();
    this.#options.onChange();
  }

  #next(): Waiting | undefined {
    const draining = this.#draining();
    return this.#queues.heads().find((head) => this.#mayStart(head, draining));
  }

  #mayStart(head: Waiting, draining: ReadonlySet<string>): boolean {
    const { job } = head;
    const { model } = job;
    if (this.#isWarm(job)) return this.#mayRun(model, draining);
    if (this.loading !== undefined || this.#running.countOf(model) > 0) return false;
    const { keys } = this.#victims(model);
    // Also one that only may have to go: Ollama would wait for it to be idle, and nobody would know of the load.
    if (keys.some(this.#running.isBusy)) return false;
    const wanted = keys.some((key) => key !== model && this.#queues.sizeOf(key) > 0);
    return !wanted || this.#options.clock.now() >= this.#patientUntil(head);
  }

  #mayRun(model: string, draining: ReadonlySet<string>): boolean {
    const active = this.#running.countOf(model);
    if (active >= this.#options.facts.slots(model) || draining.has(model)) return false;
    return active > 0 || !this.#memory.inDoubt;
  }

  /**
   * Models that nobody is let into any more: they have kept a load waiting for long enough, or are to make room for
   * one that has its seat and may be on its way.
   */
  #draining(): ReadonlySet<string> {
    const now = this.#options.clock.now();
    const late = this.#coldHeads().filter((head) => now >= this.#patientUntil(head));
    const coming = [...this.#running].filter(({ cold, used }) => cold && !used);
    return new Set([...late, ...coming].flatMap(({ job }) => this.#victims(job.model).keys));
  }

  #armPatience(): void {
    const { clock } = this.#options;
    const left = this.#coldHeads()
      .map((head) => this.#patientUntil(head) - clock.now())
      .filter((ms) => ms > 0);
    this.#stopPatience = left.length === 0 ? () => {} : clock.after(Math.min(...left), () => this.review());
  }

  #coldHeads(): Waiting[] {
    return this.#queues.heads().filter(({ job }) => !this.#isWarm(job));
  }

  /** Who waits for a model that had its turn waits anew: else two with long queues change places at each request. */
  #patientUntil({ job: { model }, since }: Waiting): number {
    const { facts } = this.#options;
    const costMs = this.#victims(model).keys.reduce(
      (sum, key) => sum + facts.loadMs(key),
      facts.loadMs(model),
    );
    return Math.max(since, this.#pushedOutAt.get(model) ?? since) + PATIENCE * costMs;
  }

  /** Those that a load pushes out, or may; a model that is loaded for another context makes room for itself. */
  #victims(model: string): Victims {
    if (this.#memory.has(model)) return { keys: [model], sure: true };
    return this.#options.facts.victims(model, this.#present());
  }

  /** Those in memory and the one that is on its way there, those that Ollama would push out first coming first. */
  #present(): string[] {
    const keys = this.#memory.keys(this.#running.isBusy);
    const { loading } = this;
    return loading === undefined || this.#memory.has(loading) ? keys : [...keys, loading];
  }

  #seat(job: Job): Seat {
    const { clock, facts, onMemory } = this.#options;
    const { model } = job;
    const cold = !this.#isWarm(job);
    const running = this.#running.letIn(job, cold, facts.workMs(job));
    let stopLoad: Cancel = () => {};
    if (!cold) this.#work.gpu.start(running);
    return {
      headers: [],
      use: () => {
        if (running.used || !this.#running.has(running)) return;
        running.used = true;
        this.#work.turnout.came(model);
        if (!cold) return;
        running.loadSince = clock.now();
        stopLoad = this.#beginLoad(running);
      },
      begun: () => {
        if (!this.#running.has(running)) return;
        stopLoad();
        running.begun = true;
        this.#work.gpu.start(running);
        if (this.#memory.has(model)) return;
        this.#memory.put(model, job.numCtx ?? AUTO_CTX, clock.now());
        // While it runs nothing can push it out: what the list says now tells what fits beside it.
        onMemory();
        this.review();
      },
      stalled: () => {},
      release: (result) => {
        if (!this.#running.delete(running)) return;
        if (!running.used) this.#work.turnout.left(model);
        stopLoad();
        const crowd = this.#work.end(running);
        this.#memory.touch(model, clock.now());
        if (result) facts.learn(model, result, crowd, running.cold);
        this.review();
      },
    };
  }

  /** Nothing tells when a load ends and reading begins; the first byte comes after both. */
  #beginLoad(running: Running): Cancel {
    const { clock, facts, onMemory } = this.#options;
    const { model } = running;
    const { keys, sure } = this.#victims(model);
    for (const key of sure ? keys : []) {
      this.#memory.drop(key);
      if (key !== model) this.#pushedOutAt.set(key, clock.now());
    }
    if (!sure) this.#memory.doubt(clock.now() + PUSHED_OUT_MS);
    // A timer may be a millisecond early, and the look must not be.
    const stopLook = clock.after(PUSHED_OUT_MS + 5, onMemory);
    const stopDue = clock.after(facts.loadMs(model), () => {
      this.#work.gpu.start(running);
      onMemory();
    });
    return () => {
      // A doubt ends only with a look.
      if (sure) stopLook();
      stopDue();
    };
  }

  /** Older Ollamas list a model while they still load it: believed when its time has come. */
  #found(model: string, asOf: number): void {
    const loader = [...this.#running].find((one) => one.cold && one.model === model);
    if (loader && loader.startedAt === undefined) return;
    this.#memory.put(model, loader && (loader.job.numCtx ?? AUTO_CTX), asOf);
  }

  #loadOf(model: string): ModelLoad {
    const { facts } = this.#options;
    const loaded = this.#memory.has(model);
    const loading = this.#running.loader(model) !== undefined;
    const victims = loaded || loading ? undefined : facts.victims(model, this.#present());
    // Where nobody knows, one load tells: a fleet that shuns it leaves memory empty, and never learns.
    const evicts = victims?.sure === true ? victims.keys : [];
    return {
      slots: facts.slots(model),
      active: this.#running.countOf(model),
      queued: this.#queues.sizeOf(model),
      backlogMs: this.#work.of(model),
      recentMs: RECENT_STEP_MS * Math.round(this.#work.recent.of(model) / RECENT_STEP_MS),
      loaded,
      loading,
      evictsMs: evicts.reduce((sum, key) => sum + facts.loadMs(key), 0),
      evicts,
      numCtx: this.#memory.numCtxOf(model),
      ...facts.speeds(model),
    };
  }

  #isWarm({ model, numCtx = AUTO_CTX }: Job): boolean {
    return this.#memory.isWarm(model, numCtx);
  }
}
