import { diceOf } from '../fleet/dice.ts';
import type { GpuJob } from '../fleet/gpu-model.ts';
import { workloadOf } from '../fleet/workload.ts';
import { type FleetGpu, type FleetModel, WORLDS, type WorldName } from '../fleet/world.ts';
import type { SimConfig } from './config.ts';

/** One request. */
export interface Asked {
  /** ms after the beginning. */
  readonly at: number;
  readonly laptop: number;
  readonly job: GpuJob;
}

/** A fleet and everything that is asked of it. */
export interface Scene {
  readonly gpus: readonly FleetGpu[];
  readonly models: readonly FleetModel[];
  /** Every GPU has all models in memory when it begins. */
  readonly preloaded: boolean;
  readonly laptops: number;
  readonly asked: readonly Asked[];
}

/** Old, ordinary and new GPUs, a third each. */
const SPEEDS = [4, 2, 1];
/** Mean length of an answer; lengths are spread exponentially, as those of a mixed crowd are. */
const MEAN_TOKENS = 100;
/** A second of work on the slowest GPU is an answer of mean length. */
const MODEL: FleetModel = {
  name: 'model:latest',
  loadMs: 3000,
  size: 1,
  decodeMsPerToken: 10,
  prefillMsPerToken: 0.1,
};

/** Poisson arrivals of many laptops at GPUs that differ in speed and have one model. The same for the same seed. */
export function scaleScene({ servers, laptops, load, seed, requests }: SimConfig): Scene {
  const dice = diceOf(seed);
  const gpus = Array.from({ length: servers }, (_, i) => ({
    speed: SPEEDS[i % SPEEDS.length] ?? 1,
    memory: 1,
  }));
  const exponential = () => -Math.log(1 - dice());
  const drawn = Array.from({ length: requests }, (_, i) => ({
    gap: exponential(),
    laptop: Math.floor(dice() * laptops),
    job: {
      model: MODEL,
      conversation: String(i),
      promptTokens: 100,
      prefixTokens: 0,
      outputTokens: Math.max(1, Math.round(MEAN_TOKENS * exponential())),
    },
  }));
  const work = drawn.reduce((sum, { job }) => sum + aloneMs(job), 0);
  const speed = gpus.reduce((sum, gpu) => sum + gpu.speed, 0);
  const gapMs = work / requests / speed / load;
  let at = 0;
  const asked = drawn.map(({ gap, laptop, job }) => {
    at += gap * gapMs;
    return { at, laptop, job };
  });
  return { gpus, models: [MODEL], preloaded: true, laptops, asked };
}

/** A few GPUs that cannot hold all models, and conversations that grow. The same for the same seed. */
export function fleetScene({ laptops, load, seed, requests, drift }: SimConfig, world: WorldName): Scene {
  const { gpus, models } = WORLDS[world];
  const arrivals = workloadOf(WORLDS[world], { seed, load, arrivals: requests, drift });
  const asked = arrivals.map(({ at, app, job }) => ({ at, laptop: app % laptops, job }));
  return { gpus, models, preloaded: false, laptops, asked };
}

/** Work of a job that no cache helps with, ms on a GPU of speed 1. Pure. */
export function aloneMs({ model, promptTokens, outputTokens }: GpuJob): number {
  return promptTokens * model.prefillMsPerToken + outputTokens * model.decodeMsPerToken;
}
