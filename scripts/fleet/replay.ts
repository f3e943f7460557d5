import { VirtualClock } from '../sim/virtual-clock.ts';
import type { ChooseGpu } from './choosers.ts';
import { GpuModel } from './gpu-model.ts';
import type { Arrival } from './workload.ts';
import type { FleetModel, FleetWorld } from './world.ts';

/** For each GPU the models that it has in memory. */
export type Placement = readonly (readonly FleetModel[])[];

/** How a workload would go with a chooser, in virtual time: completion of each arrival, ms, and all loads. */
export function replay(
  world: FleetWorld,
  arrivals: readonly Arrival[],
  choose: ChooseGpu,
  preloaded: Placement = [],
): { readonly ms: readonly number[]; readonly loads: number } {
  const clock = new VirtualClock();
  const gpus = world.gpus.map((gpu, i) => new GpuModel(clock, gpu, preloaded[i]));
  const ms: number[] = [];
  let done = 0;
  arrivals.forEach(({ at, job }, i) => {
    clock.after(at, () => {
      gpus[choose(job, gpus, i)]?.start(job, () => {
        ms[i] = clock.now() - at;
        done += 1;
      });
    });
  });
  clock.run(() => done === arrivals.length);
  return { ms, loads: gpus.reduce((sum, { loads }) => sum + loads, 0) };
}
