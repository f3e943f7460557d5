import type { Clock } from '../../src/clock.ts';
import { Costs } from '../../src/fleet/costs.ts';
import type { ServerLoad } from '../../src/fleet/load.ts';
import { assumedCost } from '../../src/routing/assumed-cost.ts';
import type { Job, Seat } from '../../src/routing/desk.ts';
import { serviceMs, UNLOADED } from '../../src/routing/finish.ts';
import { Admission } from '../../src/server/admission.ts';
import type { GpuFacts } from '../../src/server/gpu-facts.ts';
import { type GpuJob, GpuModel } from '../fleet/gpu-model.ts';
import type { FleetGpu, FleetModel } from '../fleet/world.ts';

export interface SimServerOptions {
  readonly clock: Clock;
  readonly gpu: FleetGpu;
  readonly models: readonly FleetModel[];
  readonly preloaded: boolean;
  /** Told after changes of load, as often as a real server tells. */
  readonly tell: (load: ServerLoad) => void;
}

/** A server tells of its load this often at most, ms. */
const COALESCE_MS = 20;
/** A load has brought its first byte soon after it ended, ms. */
const LOADED_LOOK_MS = 10;
const ID = 'self';
const TYPICAL = { promptTokens: 100, outputTokens: 100 };

/** A GPU machine: the real queue before a simulated GPU. */
export class SimServer {
  readonly gpu: GpuModel;
  readonly admission: Admission;
  readonly #options: SimServerOptions;
  readonly #costs = new Costs();
  #holding = false;
  #changed = false;

  constructor(options: SimServerOptions) {
    this.#options = options;
    const { clock, gpu, models, preloaded } = options;
    this.gpu = new GpuModel(clock, gpu, preloaded ? models : []);
    this.admission = new Admission({
      clock,
      facts: this.#facts(),
      onChange: () => this.#onChange(),
      onMemory: () => this.#sync(),
    });
    if (!preloaded) return;
    // What runs for long is known.
    for (const model of models) for (let i = 0; i < 5; i += 1) this.#learn({ model, ...TYPICAL });
    this.#sync();
  }

  /** What it tells now. */
  load(): ServerLoad {
    return this.admission.load(this.#options.models.map(({ name }) => name));
  }

  /** Runs a job that has a seat. */
  run(job: GpuJob, seat: Seat, onDone: () => void): void {
    const { clock } = this.#options;
    const { model } = job;
    seat.use();
    const begin = () => {
      if (!this.gpu.has(model)) return;
      stop();
      seat.begun();
    };
    const stop = clock.every(LOADED_LOOK_MS, begin);
    begin();
    this.gpu.start(job, () => {
      stop();
      this.#learn(job);
      seat.release();
      onDone();
    });
  }

  #facts(): GpuFacts {
    const loadMs = (key: string) => this.#model(key).loadMs;
    return {
      slots: () => 1,
      victims: (key, loaded) => ({ keys: this.#victims(key, loaded), sure: true }),
      loadMs,
      workMs: (job: Job) =>
        serviceMs(UNLOADED, job, assumedCost(this.#costs.of(ID, job.model), undefined, undefined)),
      speeds: (key) => {
        const cost = this.#costs.of(ID, key);
        return {
          decodeMsPerToken: cost.decodeMsPerToken ?? null,
          prefillMsPerToken: cost.prefillMsPerToken ?? null,
          outputTokens: cost.outputTokens ?? null,
          loadMs: loadMs(key),
        };
      },
      learn: () => {},
    };
  }

  #model(key: string): FleetModel {
    const model = this.#options.models.find(({ name }) => name === key);
    if (!model) throw new RangeError(`no model '${key}' in this world`);
    return model;
  }

  #victims(key: string, loaded: readonly string[]): string[] {
    const victims: string[] = [];
    let used = loaded.reduce((sum, one) => sum + this.#model(one).size, this.#model(key).size);
    for (const one of loaded) {
      if (used <= this.#options.gpu.memory) break;
      victims.push(one);
      used -= this.#model(one).size;
    }
    return victims;
  }

  #learn({
    model,
    promptTokens,
    outputTokens,
  }: Pick<GpuJob, 'model' | 'promptTokens' | 'outputTokens'>): void {
    const { speed } = this.#options.gpu;
    this.#costs.learn(ID, model.name, {
      promptTokens,
      promptMs: (promptTokens * model.prefillMsPerToken) / speed,
      outputTokens,
      outputMs: (outputTokens * model.decodeMsPerToken) / speed,
      sharing: 1,
    });
  }

  #sync(): void {
    const { clock, models } = this.#options;
    const keys = models.filter((model) => this.gpu.has(model)).map(({ name }) => name);
    this.admission.sync(keys, clock.now());
  }

  #onChange(): void {
    if (this.#holding) {
      this.#changed = true;
      return;
    }
    const { clock, tell } = this.#options;
    this.#holding = true;
    // What happens at one moment is one change.
    clock.after(0, () => tell(this.load()));
    clock.after(COALESCE_MS, () => {
      this.#holding = false;
      if (this.#changed) {
        this.#changed = false;
        this.#onChange();
      }
    });
  }
}
