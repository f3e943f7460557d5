import {
  anyGpu,
  type ChooseGpu,
  earliestFinish,
  earliestHolder,
  leastConnections,
} from '../fleet/choosers.ts';
import { diceOf } from '../fleet/dice.ts';
import { bestPlacement } from '../fleet/placement.ts';
import { type Placement, replay } from '../fleet/replay.ts';
import { countedFrom, workloadOf } from '../fleet/workload.ts';
import { WORLDS, type WorldName } from '../fleet/world.ts';
import type { SimConfig } from './config.ts';
import type { Outcome } from './outcome.ts';

/** What choosers that know everything, or nothing, make of the same workload. */
export function runFleetReferences({ seed, load, requests, drift }: SimConfig, name: WorldName): Outcome[] {
  const world = WORLDS[name];
  const arrivals = workloadOf(world, { seed, load, arrivals: requests, drift });
  const run = (name: string, choose: ChooseGpu, placement?: Placement): Outcome => {
    const { ms, loads } = replay(world, arrivals, choose, placement);
    return { name, totals: ms, loads, waits: [] };
  };
  return [
    run('hindsight placement', earliestHolder, bestPlacement(world, arrivals, countedFrom(requests, drift))),
    run('clairvoyant earliest finish', earliestFinish),
    run('least connections', leastConnections),
    run('random', anyGpu(diceOf(seed + 2))),
  ];
}
