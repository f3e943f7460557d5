import type { GpuJob, GpuModel } from './gpu-model.ts';

/** Picks a GPU for a job by what all of them are doing; `turn` counts the jobs. */
export type ChooseGpu = (job: GpuJob, gpus: readonly GpuModel[], turn: number) => number;

/** Where a job would end first if nothing new came, its own load time counted. It knows how long answers will be. */
export const earliestFinish: ChooseGpu = (job, gpus) => lowest(gpus.map((gpu) => finishMs(gpu, job)));

/** The same among those that have the model in memory; among all where none has. */
export const earliestHolder: ChooseGpu = (job, gpus) =>
  lowest(gpus.map((gpu) => finishMs(gpu, job) + (gpu.has(job.model) ? 0 : 1e9)));

/** Fewest requests in flight; equal ones take turns. */
export const leastConnections: ChooseGpu = (_job, gpus, turn) =>
  lowest(gpus.map((gpu, i) => gpu.inFlight + ((i + turn) % gpus.length) / gpus.length));

/** Any, by these dice. */
export function anyGpu(dice: () => number): ChooseGpu {
  return (_job, gpus) => Math.floor(dice() * gpus.length);
}

function finishMs(gpu: GpuModel, job: GpuJob): number {
  const backlog = gpu.backlog();
  const mineMs = (backlog.get(job.model) ?? 0) + gpu.workMs(job);
  const loadMs = gpu.victims(job.model) === undefined ? 0 : job.model.loadMs;
  // The models at work share the GPU: one with work W ends after the sum over all of min(their work, W).
  return [...backlog].reduce(
    (sum, [model, leftMs]) => sum + (model === job.model ? 0 : Math.min(leftMs, mineMs)),
    loadMs + mineMs,
  );
}

function lowest(values: readonly number[]): number {
  return values.indexOf(Math.min(...values));
}
