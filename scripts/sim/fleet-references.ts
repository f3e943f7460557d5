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
import { workloadOf } from '../fleet/workload.ts';
import { WORLDS } from '../fleet/world.ts';
import type { SimConfig } from './config.ts';
import type { Outcome } from './outcome.ts';

/** What choosers that know everything, or nothing, make of the same workload. */
export function runFleetReferences({ seed, load, requests }: SimConfig): Outcome[] {
  const arrivals = workloadOf(WORLDS.main, { seed, load, arrivals: requests, drift: false });
  const run = (name: string, choose: ChooseGpu, placement?: Placement): Outcome => {
    const { ms, loads } = replay(WORLDS.main, arrivals, choose, placement);
    return { name, totals: ms, loads, waits: [] };
  };
  return [
    run('hindsight placement', earliestHolder, bestPlacement(WORLDS.main, arrivals, 0)),
    run('clairvoyant earliest finish', earliestFinish),
    run('least connections', leastConnections),
    run('random', anyGpu(diceOf(seed + 2))),
  ];
}
