import { type Clock, sleep } from '../clock.ts';
import { FOREVER_MS } from './keep-alive.ts';
import type { StoredModel } from './models.ts';
import { Refusal } from './refusal.ts';
import { Runner, type Want } from './runner.ts';

/** OLLAMA_MAX_QUEUE: how many requests may wait for a load; those for a loaded model are not counted. */
const MAX_PENDING = 512;
/** Longest timer Node takes; a longer keep_alive is armed again. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface SchedulerOptions {
  readonly clock: Clock;
  readonly numParallel: number;
  readonly memoryBytes: number;
  readonly maxLoadedModels: number;
}

/** A slot, held until `release` (which may be called again without effect). */
export interface Lease {
  readonly runner: Runner;
  /** Milliseconds from asking until the model was loaded. */
  readonly loadMs: number;
  release(): void;
}

interface Pending {
  readonly model: StoredModel;
  readonly want: Want;
  readonly signal: AbortSignal;
  readonly resolve: (runner: Runner) => void;
  readonly reject: (reason: unknown) => void;
}

/** Loads one model at a time, evicts for room, and hands out slots, as Ollama's scheduler does. */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #clock: Clock;
  readonly #loaded = new Map<string, Runner>();
  readonly #pending = new Set<Pending>();
  #placing = false;
  #loads = 0;
  #maxActive = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /**
   * A slot of a runner that serves `want`. Aborting leaves the queue or breaks off the load that this request
   * began, and rejects with the signal's reason. Refuses (503) where too many wait for a load.
   */
  async acquire(model: StoredModel, want: Want, signal: AbortSignal): Promise<Lease> {
    const asked = this.#clock.now();
    const loaded = this.#loaded.get(model.digest);
    const runner = loaded?.serves(want) ? this.#use(loaded, want) : await this.#place(model, want, signal);
    const loadMs = this.#clock.now() - asked;
    try {
      await runner.enter(signal);
    } catch (error) {
      this.#unuse(runner);
      throw error;
    }
    this.#maxActive = Math.max(this.#maxActive, runner.active);
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      runner.leave();
      this.#unuse(runner);
    };
    return { runner, loadMs, release };
  }

  /** Puts a model in memory at once, without its load time, evicting what is idle. */
  warm(model: StoredModel, want: Want): void {
    if (this.#loaded.get(model.digest)?.serves(want)) return;
    for (let victim = this.#victim(model); victim?.references === 0; victim = this.#victim(model)) {
      this.#unload(victim);
    }
    this.#unuse(this.#use(this.#open(model, want), want));
  }

  /** Unloads a model as soon as nobody uses it. */
  expire(model: StoredModel): void {
    const runner = this.#loaded.get(model.digest);
    if (!runner) return;
    runner.keepAliveMs = 0;
    if (runner.references === 0) this.#unload(runner);
  }

  /** Loaded models, the last to expire first. */
  loaded(): readonly Runner[] {
    return [...this.#loaded.values()].sort((a, b) => b.expiresAt - a.expiresAt);
  }

  stats(): { active: number; queued: number; loads: number; maxActive: number } {
    const runners = [...this.#loaded.values()];
    return {
      active: runners.reduce((sum, runner) => sum + runner.active, 0),
      queued: runners.reduce((sum, runner) => sum + runner.queued, this.#pending.size),
      loads: this.#loads,
      maxActive: this.#maxActive,
    };
  }

  /** Forgets what is loaded, as a killed process does. */
  clear(): void {
    for (const runner of [...this.#loaded.values()]) this.#unload(runner);
  }

  #place(model: StoredModel, want: Want, signal: AbortSignal): Promise<Runner> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#pending.size >= MAX_PENDING) {
        return reject(new Refusal(503, 'server busy, please try again.  maximum pending requests exceeded'));
      }
      const leave = () => {
        this.#pending.delete(job);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      const job: Pending = {
        model,
        want,
        signal,
        resolve: (runner) => {
          signal.removeEventListener('abort', leave);
          resolve(runner);
        },
        reject,
      };
      this.#pending.add(job);
      void this.#placeAll();
    });
  }

  async #placeAll(): Promise<void> {
    if (this.#placing) return;
    this.#placing = true;
    for (let [job] = this.#pending; job; [job] = this.#pending) {
      const runner = await this.#load(job);
      this.#pending.delete(job);
      if (runner && job.signal.aborted) this.#unuse(runner);
      else if (runner) job.resolve(runner);
    }
    this.#placing = false;
  }

  /** Makes room and loads; undefined when the client left, which breaks the load off. */
  async #load({ model, want, signal }: Pending): Promise<Runner | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const same = this.#loaded.get(model.digest);
      if (same?.serves(want)) return this.#use(same, want);
      const victim = same ?? this.#victim(model);
      if (!victim) break;
      await victim.idle(signal);
      // Ollama lets requests for a loaded model pass, so the victim may be busy again by now.
      if (!signal.aborted && victim.references === 0) this.#unload(victim);
    }
    this.#loads++;
    if (model.loadMs > 0) await sleep(this.#clock, model.loadMs, signal);
    return signal.aborted ? undefined : this.#use(this.#open(model, want), want);
  }

  #open(model: StoredModel, want: Want): Runner {
    const slots = model.embedding ? 1 : this.#options.numParallel;
    const runner = new Runner(model, want, slots, this.#clock.wall() + want.keepAliveMs);
    const old = this.#loaded.get(model.digest);
    if (old) this.#unload(old);
    this.#loaded.set(model.digest, runner);
    return runner;
  }

  /** Who must go before `model` fits: the idle runner that expires first, else the busy one that does. */
  #victim(model: StoredModel): Runner | undefined {
    const runners = [...this.#loaded.values()];
    const used = runners.reduce((sum, runner) => sum + runner.model.size, 0);
    const fits =
      runners.length < this.#options.maxLoadedModels && used + model.size <= this.#options.memoryBytes;
    if (fits) return undefined;
    const byExpiry = runners.sort((a, b) => a.expiresAt - b.expiresAt);
    return byExpiry.find((runner) => runner.references === 0) ?? byExpiry[0];
  }

  #use(runner: Runner, want: Want): Runner {
    runner.cancelExpiry();
    runner.references++;
    runner.keepAliveMs = want.keepAliveMs;
    return runner;
  }

  #unuse(runner: Runner): void {
    runner.references--;
    if (runner.references > 0 || this.#loaded.get(runner.model.digest) !== runner) return;
    runner.expiresAt = this.#clock.wall() + runner.keepAliveMs;
    if (runner.keepAliveMs <= 0) this.#unload(runner);
    else this.#armExpiry(runner, runner.keepAliveMs);
    runner.becameIdle();
  }

  #armExpiry(runner: Runner, leftMs: number): void {
    if (leftMs >= FOREVER_MS) return;
    const step = Math.min(leftMs, MAX_TIMER_MS);
    runner.cancelExpiry = this.#clock.after(step, () => {
      if (leftMs > step) this.#armExpiry(runner, leftMs - step);
      else this.#unload(runner);
    });
  }

  #unload(runner: Runner): void {
    runner.cancelExpiry();
    if (this.#loaded.get(runner.model.digest) === runner) this.#loaded.delete(runner.model.digest);
    runner.becameIdle();
  }
}
