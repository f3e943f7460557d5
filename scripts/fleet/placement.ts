import { earliestHolder } from './choosers.ts';
import { diceOf } from './dice.ts';
import { type Placement, replay } from './replay.ts';
import type { Arrival } from './workload.ts';
import type { FleetGpu, FleetModel, FleetWorld } from './world.ts';

/** Up to so many placements are all tried; of more, a search by single changes finds a good one. */
const ALL_UP_TO = 500;
const SEARCHES = 4;

/**
 * The placement of models within memory that would have served this workload best, each request going to the holder
 * where it ends first: what nobody can know beforehand. `from` is the first arrival that counts.
 */
export function bestPlacement(world: FleetWorld, arrivals: readonly Arrival[], from: number): Placement {
  const choices = world.gpus.map((gpu) => fillings(gpu, world.models));
  const cost = (placement: Placement) => {
    if (world.models.some((model) => !placement.some((held) => held.includes(model)))) return Infinity;
    const { ms } = replay(world, arrivals, earliestHolder, placement);
    return ms.slice(from).reduce((sum, one) => sum + one, 0);
  };
  const size = choices.reduce((product, { length }) => product * length, 1);
  return size <= ALL_UP_TO ? cheapest(product(choices), cost) : searched(choices, cost);
}

/** The sets of models that fill a GPU's memory: one more would be too many. */
function fillings({ memory }: FleetGpu, models: readonly FleetModel[]): FleetModel[][] {
  const sets: FleetModel[][] = [];
  for (let bits = 1; bits < 1 << models.length; bits += 1) {
    const set = models.filter((_, i) => bits & (1 << i));
    const free = memory - set.reduce((sum, { size }) => sum + size, 0);
    if (free >= 0 && models.every((model) => set.includes(model) || model.size > free)) sets.push(set);
  }
  return sets;
}

function product(choices: readonly FleetModel[][][]): Placement[] {
  return choices.reduce<Placement[]>(
    (all, sets) => all.flatMap((placement) => sets.map((set) => [...placement, set])),
    [[]],
  );
}

function cheapest(placements: readonly Placement[], cost: (placement: Placement) => number): Placement {
  const priced = placements.map((placement) => ({ placement, cost: cost(placement) }));
  return priced.reduce((best, one) => (one.cost < best.cost ? one : best)).placement;
}

/** From several beginnings, the best single change again and again until there is none. */
function searched(choices: readonly FleetModel[][][], cost: (placement: Placement) => number): Placement {
  const dice = diceOf(1);
  const any = <T>(list: readonly T[]): T => list[Math.floor(dice() * list.length)] as T;
  const found = Array.from({ length: SEARCHES }, () => {
    let best: Placement = choices.map(any);
    while (cost(best) === Number.POSITIVE_INFINITY) best = choices.map(any);
    for (let before: Placement | undefined; before !== best; ) {
      before = best;
      for (const [i, sets] of choices.entries()) {
        const changed = sets.map((set) => best.map((held, k) => (k === i ? set : held)));
        best = cheapest([best, ...changed], cost);
      }
    }
    return best;
  });
  return cheapest(found, cost);
}
