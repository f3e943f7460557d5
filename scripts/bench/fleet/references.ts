import { Agent } from 'node:http';
import { systemClock } from '../../../src/clock.ts';
import {
  anyGpu,
  type ChooseGpu,
  earliestFinish,
  earliestHolder,
  leastConnections,
} from '../../fleet/choosers.ts';
import { diceOf } from '../../fleet/dice.ts';
import { GpuModel } from '../../fleet/gpu-model.ts';
import type { Placement } from '../../fleet/replay.ts';
import type { FleetWorld } from '../../fleet/world.ts';
import { ask } from './ask.ts';
import { type Contender, HINDSIGHT, LEAST_CONNECTIONS } from './contender.ts';
import { startGpus } from './gpus.ts';

/** A scheduler of one line that everything else is compared with. */
export interface Reference {
  readonly name: string;
  readonly hopeless: boolean;
  readonly choose: ChooseGpu;
  readonly loaded: Placement;
}

/** Those of a run; `best` is the placement that the whole workload would have liked best. */
export function referencesOf(best: Placement, seed: number): Reference[] {
  return [
    { name: HINDSIGHT, hopeless: false, choose: earliestHolder, loaded: best },
    { name: 'earliest finish', hopeless: false, choose: earliestFinish, loaded: [] },
    { name: LEAST_CONNECTIONS, hopeless: false, choose: leastConnections, loaded: [] },
    { name: 'random', hopeless: true, choose: anyGpu(diceOf(seed)), loaded: [] },
  ];
}

/**
 * Starts a reference on GPUs of its own. It knows what each GPU is doing from a model of it that runs beside it on the
 * real clock, and how long every answer will be.
 */
export async function startReference(
  { name, hopeless, choose, loaded }: Reference,
  world: FleetWorld,
  dist: string,
): Promise<Contender> {
  const gpus = await startGpus({ world, dist, loaded });
  const agent = new Agent({ keepAlive: true, noDelay: true });
  const models = world.gpus.map((gpu, i) => new GpuModel(systemClock, gpu, loaded[i]));
  return {
    name,
    hopeless,
    async send(arrival, turn, cut) {
      const index = choose(arrival.job, models, turn);
      const forget = models[index]?.start(arrival.job, () => {});
      const outcome = await ask(gpus.urls[index] ?? '', agent, arrival, cut);
      forget?.();
      return { ...outcome, server: `gpu-${index}` };
    },
    loads: async () => (await gpus.counters()).loads,
    [Symbol.asyncDispose]: () => {
      agent.destroy();
      return gpus[Symbol.asyncDispose]();
    },
  };
}
