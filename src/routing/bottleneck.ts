/** Servers and the models that they have in memory, as far as balance depends on it. */
export interface Spread {
  /** How fast each server is, in any unit. */
  readonly speeds: readonly number[];
  /** Models that each server has, one bit for each; at most 16. */
  readonly holds: readonly number[];
  /** Work that is asked for of each model, ms of a server of speed 1. */
  readonly work: readonly number[];
}

/**
 * What a model could have that no server has in memory, of the speed of all: it would be loaded again. Without it
 * nothing would tell apart how bad it is to push out the last copy of one model or another.
 */
const SPARE = 0.05;

/**
 * How long the work takes however it is dealt out: that of the group of models for whose work the servers that have
 * any of them are slowest (the deficit version of Hall's theorem, for flows that can be split). Two ways to spread
 * models over servers compare by it, whatever the load. Time grows by 2 to the number of models. ms. Pure.
 */
export function bottleneckMs({ speeds, holds, work }: Spread): number {
  const groups = 1 << work.length;
  const spare = SPARE * speeds.reduce((sum, speed) => sum + speed, 0);
  // Of each group: the work of that without its first model, and of that one.
  const sums = new Float64Array(groups);
  let most = 0;
  for (let group = 1; group < groups; group += 1) {
    const sum = (sums[group & (group - 1)] ?? 0) + (work[31 - Math.clz32(group & -group)] ?? 0);
    sums[group] = sum;
    let speed = spare;
    for (let i = 0; i < holds.length; i += 1) if (((holds[i] ?? 0) & group) !== 0) speed += speeds[i] ?? 0;
    if (sum > most * speed) most = sum / speed;
  }
  return most;
}
