import { isIP } from 'node:net';
import { type Clock, systemClock } from '../clock.ts';
import { BlobStore } from './blobs.ts';
import { Faults } from './faults.ts';
import { wantOf } from './generation.ts';
import { GpuClock } from './gpu-clock.ts';
import { Listener } from './listener.ts';
import { type LoadedModel, loadedModels } from './listing.ts';
import { removeModel } from './manage.ts';
import { ModelStore, type SimulatedModel, type StoredModel } from './models.ts';
import { Scheduler } from './scheduler.ts';
import { SeenLog, type SeenRequest } from './seen.ts';
import { Tokens } from './tokens.ts';
import { stampOf, type World } from './world.ts';

export interface SimulatedOllamaOptions {
  /** Default: one instant model named `simulated`. */
  models?: readonly SimulatedModel[];
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
  /** Default 0.17.4. */
  version?: string;
  /** Requests one loaded model runs at once; default 1, as Ollama's. */
  numParallel?: number;
  /** Bytes of model that fit in memory; default Infinity. */
  memoryBytes?: number;
  /** Default 3. */
  maxLoadedModels?: number;
  /**
   * Whether all requests that read or generate share one GPU: with n of them each goes at an n-th of the
   * models' speeds. Default false: none slows another.
   */
  shared?: boolean;
  /** Factor on the prefill and decode speeds of all models, not on load times; default 1. */
  speed?: number;
  clock?: Clock;
  /** The answer, or what makes it from the user's last words; the default says that it is simulated. */
  answer?: string | ((prompt: string) => string);
  /** Names this instance in the default answer. */
  label?: string;
  /** What a pull can find; default every name. */
  registry?: readonly SimulatedModel[];
}

/** What a simulated Ollama has on disk and in memory. */
export interface SimulatedModels {
  /** Adds or replaces a model. */
  add(model: SimulatedModel): void;
  /** Removes and unloads it; false where there was none. */
  remove(name: string): boolean;
  list(): readonly StoredModel[];
  /** The rows of `/api/ps`. */
  loaded(): readonly LoadedModel[];
}

export interface SimulatedOllama extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The last 1000 requests, noted when their body had arrived. */
  readonly seen: readonly SeenRequest[];
  readonly faults: Faults;
  readonly models: SimulatedModels;
  /** The first matching request, among those seen or the next to come. */
  onceSeen(match?: (request: SeenRequest) => boolean): Promise<SeenRequest>;
  /** The first matching request whose client left before the answer had ended. */
  onceAborted(match?: (request: SeenRequest) => boolean): Promise<SeenRequest>;
  /** Requests that hold a slot, that wait for one or for a load; loads begun; most slots ever held of one model. */
  stats(): { active: number; queued: number; loads: number; maxActive: number };
  /** Puts a model in memory at once. Rejects with a RangeError where there is no such model. */
  load(name: string): Promise<void>;
  /** Ends as a killed process does: listener gone, connections reset, memory forgotten. */
  stop(): Promise<void>;
  /** Listens again, on the same port. Rejects with the listener's error where the port is taken. */
  start(): Promise<void>;
}

/**
 * Starts an HTTP server that behaves like Ollama, without a model. Rejects with the listener's error, and with a
 * RangeError where `speed` is not a finite number above 0.
 */
export async function startSimulatedOllama(options: SimulatedOllamaOptions = {}): Promise<SimulatedOllama> {
  const host = options.host ?? '127.0.0.1';
  const world = buildWorld(options);
  const seen = new SeenLog();
  const listener = new Listener(world, seen, host, options.port ?? 0);
  await listener.start();
  return {
    get url() {
      return `http://${isIP(host) === 6 ? `[${host}]` : host}:${listener.port}`;
    },
    get port() {
      return listener.port;
    },
    seen: seen.requests,
    faults: world.faults,
    models: {
      add: (model) => void world.models.add(model),
      remove: (name) => {
        const model = world.models.find(name);
        if (model) removeModel(world, model);
        return model !== undefined;
      },
      list: () => world.models.list(),
      loaded: () => loadedModels(world),
    },
    onceSeen: (match = () => true) => seen.once(match),
    onceAborted: (match = () => true) => seen.once((one) => one.abortedAt !== undefined && match(one)),
    stats: () => world.scheduler.stats(),
    async load(name) {
      const model = world.models.find(name);
      if (!model) throw new RangeError(`the simulated Ollama has no model '${name}' to load: add it first`);
      world.scheduler.warm(model, wantOf(model, {}, undefined));
    },
    stop: () => listener.stop(),
    start: () => listener.start(),
    [Symbol.asyncDispose]: () => listener.stop(),
  };
}

function buildWorld(options: SimulatedOllamaOptions): World {
  const clock = options.clock ?? systemClock;
  const stamp = stampOf(clock);
  const given = options.answer ?? defaultAnswer(options.label);
  const memoryBytes = options.memoryBytes ?? Number.POSITIVE_INFINITY;
  return {
    clock,
    gpu: new GpuClock(clock, { shared: options.shared ?? false, speed: options.speed ?? 1 }),
    stamp,
    memoryBytes,
    version: options.version ?? '0.17.4',
    models: new ModelStore(options.models ?? [{ name: 'simulated' }], stamp),
    registry: options.registry,
    scheduler: new Scheduler({
      clock,
      memoryBytes,
      numParallel: options.numParallel ?? 1,
      maxLoadedModels: options.maxLoadedModels ?? 3,
    }),
    blobs: new BlobStore(),
    faults: new Faults(),
    tokens: new Tokens(),
    answer: typeof given === 'string' ? () => given : given,
  };
}

function defaultAnswer(label: string | undefined): string {
  const who = label === undefined ? 'a simulated Ollama' : `the simulated Ollama "${label}"`;
  return `This answer was made by ${who}: no model was run, the words are fixed, and only their pace is imitated.`;
}
