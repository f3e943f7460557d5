import { join } from 'node:path';
import type { Placement } from '../../fleet/replay.ts';
import { type FleetWorld, UNIT_BYTES } from '../../fleet/world.ts';
import { Child } from '../child.ts';
import { modulesOf } from '../stale.ts';

/** The simulated GPUs that one contender has for itself. */
export interface Gpus extends AsyncDisposable {
  /** The address of each one's Ollama. */
  readonly urls: readonly string[];
  /** Loads begun so far on all of them, and requests that run or wait. */
  counters(): Promise<{ loads: number; inFlight: number }>;
}

export interface GpusOptions {
  readonly world: FleetWorld;
  /** Folder of the compiled sources. */
  readonly dist: string;
  /** What is in memory at the beginning; default nothing. */
  readonly loaded?: Placement;
  /** The first one's port, the others follow; default: any free ones. */
  readonly firstPort?: number;
}

interface Told {
  readonly url: string;
  readonly loads: number;
  readonly active: number;
  readonly queued: number;
}

/** Starts them, all in one process. Rejects when they do not listen in time. */
export async function startGpus({ world, dist, loaded = [], firstPort }: GpusOptions): Promise<Gpus> {
  const models = world.models.map(({ name, loadMs, size, decodeMsPerToken, prefillMsPerToken }) => ({
    name,
    loadMs,
    size: size * UNIT_BYTES,
    tokensPerSecond: 1000 / decodeMsPerToken,
    prefillPerSecond: 1000 / prefillMsPerToken,
  }));
  const options = world.gpus.map(({ speed, memory }, i) => ({
    models,
    speed,
    shared: true,
    memoryBytes: memory * UNIT_BYTES,
    maxLoadedModels: models.length,
    port: firstPort === undefined ? 0 : firstPort + i,
    loaded: (loaded[i] ?? []).map(({ name }) => name),
  }));
  const child = new Child([
    join(import.meta.dirname, 'gpus.child.mjs'),
    modulesOf(dist),
    JSON.stringify(options),
  ]);
  const control = await child.url();
  const told = async () => (await (await fetch(control)).json()) as Told[];
  return {
    urls: (await told()).map(({ url }) => url),
    counters: async () => {
      const all = await told();
      return {
        loads: all.reduce((sum, { loads }) => sum + loads, 0),
        inFlight: all.reduce((sum, { active, queued }) => sum + active + queued, 0),
      };
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
