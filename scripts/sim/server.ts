import type { Clock } from '../../src/clock.ts';
import { Costs } from '../../src/fleet/costs.ts';
import type { ServerLoad } from '../../src/fleet/load.ts';
import type { ServerFacts } from '../../src/fleet/pool.ts';
import type { Seat } from '../../src/routing/desk.ts';
import { LocalDesk } from '../../src/server/local-desk.ts';
import { type GpuJob, GpuModel } from '../fleet/gpu-model.ts';
import { cardBytesOf, type FleetGpu, type FleetModel, UNIT_BYTES } from '../fleet/world.ts';

export interface SimServerOptions {
  readonly clock: Clock;
  readonly gpu: FleetGpu;
  readonly models: readonly FleetModel[];
  readonly preloaded: boolean;
  /** It tells how much memory its card has. */
  readonly cards: boolean;
  /** Told after changes of load, as often as a real server tells. */
  readonly tell: (load: ServerLoad) => void;
}

/** A server tells of its load this often at most, ms. */
const COALESCE_MS = 20;
/** A load has brought its first byte soon after it ended, ms. */
const LOADED_LOOK_MS = 10;
/** Reading Ollama's lists takes about as long, ms. */
const LIST_MS = 2;
/** Ollama keeps a model for as long, ms. */
const KEEP_ALIVE_MS = 300_000;
const ID = 'self';
const TYPICAL = { promptTokens: 100, outputTokens: 100 };

/** A GPU machine: the real queue, which learns what it can see, before a simulated GPU. */
export class SimServer {
  readonly gpu: GpuModel;
  readonly desk: LocalDesk;
  readonly #options: SimServerOptions;
  readonly #costs = new Costs();
  #facts: ServerFacts;
  #reading = false;
  #holding = false;
  #changed = false;

  constructor(options: SimServerOptions) {
    this.#options = options;
    const { clock, gpu, models, preloaded, cards } = options;
    this.gpu = new GpuModel(clock, gpu, preloaded ? models : []);
    this.#facts = factsOf(models, this.gpu, clock.wall());
    this.desk = new LocalDesk({
      clock,
      deviceId: ID,
      facts: () => this.#facts,
      costs: this.#costs,
      slots: () => 1,
      cards: () => (cards ? [cardBytesOf(gpu)] : []),
      onChange: () => this.#onChange(),
      refresh: () => this.#refresh(),
    });
    // What runs for long is known.
    for (const model of preloaded ? models : []) for (let i = 0; i < 5; i += 1) this.#learnTypical(model);
    this.desk.sync(this.#facts, clock.now());
  }

  /** What it tells now. */
  load(): ServerLoad {
    return this.desk.load();
  }

  /** Runs a job that has a seat. */
  run(job: GpuJob, seat: Seat, onDone: () => void): void {
    const { clock } = this.#options;
    const { model, outputTokens } = job;
    const cold = !this.gpu.has(model);
    const sentAt = clock.now();
    seat.use();
    let begunAt = sentAt;
    const begin = () => {
      if (!this.gpu.has(model)) return;
      stop();
      begunAt = clock.now();
      seat.begun();
    };
    const stop = clock.every(LOADED_LOOK_MS, begin);
    begin();
    const aloneMs = this.gpu.workMs(job);
    this.gpu.start(job, () => {
      stop();
      const ranMs = clock.now() - begunAt;
      const outputMs = (ranMs * outputTokens * model.decodeMsPerToken) / this.gpu.gpu.speed / aloneMs;
      seat.release({
        counters: {
          promptTokens: job.promptTokens,
          promptMs: ranMs - outputMs,
          outputTokens,
          outputMs,
          ...(cold && { loadMs: begunAt - sentAt }),
        },
        streamed: true,
        firstByteMs: begunAt - sentAt,
        totalMs: clock.now() - sentAt,
      });
      onDone();
    });
  }

  #learnTypical({ name, prefillMsPerToken, decodeMsPerToken, loadMs }: FleetModel): void {
    const { speed } = this.#options.gpu;
    const { promptTokens, outputTokens } = TYPICAL;
    this.#costs.learn(ID, name, {
      promptTokens,
      promptMs: (promptTokens * prefillMsPerToken) / speed,
      outputTokens,
      outputMs: (outputTokens * decodeMsPerToken) / speed,
      loadMs,
      sharing: 1,
    });
  }

  /** Reads the lists of its Ollama: how it learns what is in memory, and what a load has pushed out. */
  #refresh(): void {
    if (this.#reading) return;
    this.#reading = true;
    const { clock, models } = this.#options;
    clock.after(LIST_MS, () => {
      this.#reading = false;
      this.#facts = factsOf(models, this.gpu, clock.wall());
      this.desk.sync(this.#facts, clock.now());
    });
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

/** What the lists of that GPU's Ollama would say. */
function factsOf(models: readonly FleetModel[], gpu: GpuModel, nowMs: number): ServerFacts {
  const rowOf = ({ name, size }: FleetModel) => ({ name, key: name, raw: { size: size * UNIT_BYTES } });
  const loaded = models.filter((model) => gpu.has(model));
  return {
    deviceId: ID,
    name: ID,
    url: 'http://127.0.0.1:11434',
    kind: 'ollama',
    sources: [],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: undefined,
    tags: models.map((model) => ({ ...rowOf(model), digest: '', modifiedAt: '' })),
    ps: loaded.map((model) => ({
      ...rowOf(model),
      expiresAt: new Date(nowMs + KEEP_ALIVE_MS).toISOString(),
    })),
    modelKeys: new Set(models.map(({ name }) => name)),
    loadedKeys: new Set(loaded.map(({ name }) => name)),
    load: undefined,
    allowsManage: true,
    freeMemoryBytes: undefined,
    latencyMs: 0,
  };
}
