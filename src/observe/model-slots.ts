import type { ServerLoad } from '../fleet/load.ts';
import { OTHER } from './label-set.ts';

/** What runs and waits of one model at all servers. */
export interface ModelSlots {
  readonly slots: number;
  readonly active: number;
  readonly queued: number;
}

/**
 * Sums what servers tell, by `modelKey`; the `max` models with most to do, and all others as one. Servers may tell of
 * any number of models under any names. Pure.
 */
export function modelSlots(loads: Iterable<ServerLoad>, max: number): ReadonlyMap<string, ModelSlots> {
  const sums = new Map<string, ModelSlots>();
  for (const { models } of loads) {
    for (const model in models) {
      const row = models[model];
      if (!row || (!row.loaded && row.active + row.queued === 0)) continue;
      sums.set(model, plus(sums.get(model), { ...row, slots: row.loaded ? row.slots : 0 }));
    }
  }
  if (sums.size <= max) return sums;
  const ranked = [...sums].sort(([, a], [, b]) => busyness(b) - busyness(a) || b.slots - a.slots);
  const kept = new Map(ranked.slice(0, max));
  const rest = ranked.slice(max).reduce<ModelSlots | undefined>((sum, [, row]) => plus(sum, row), undefined);
  if (rest) kept.set(OTHER, rest);
  return kept;
}

function plus(sum: ModelSlots | undefined, { slots, active, queued }: ModelSlots): ModelSlots {
  if (!sum) return { slots, active, queued };
  return { slots: sum.slots + slots, active: sum.active + active, queued: sum.queued + queued };
}

function busyness({ active, queued }: ModelSlots): number {
  return active + queued;
}
