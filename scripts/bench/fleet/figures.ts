import type { FleetWorld } from '../../fleet/world.ts';
import { percentile } from '../stats.ts';
import type { Outcome } from './ask.ts';
import { HINDSIGHT, LEAST_CONNECTIONS, OURS } from './contender.ts';

/** What one contender did in one run. Times are seconds from arrival to last byte, of what was answered whole. */
export interface Figures {
  readonly name: string;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly loads: number;
  readonly failed: number;
  /** What went wrong most often. */
  readonly failure?: string;
  /** Some requests were not waited for: the times are those at least. */
  readonly atLeast: boolean;
  /** Requests that an ollana held for a millisecond or more until a server had a place for them. */
  readonly waited: number;
}

/** A bound, what it applies to, and whether it was kept. */
export interface Verdict {
  readonly label: string;
  readonly value: number;
  readonly bound: number;
  readonly met: boolean;
}

const MEAN_BOUND = 1.8;
const P95_BOUND = 2.2;
const LEAST_CONNECTIONS_BOUND = 0.5;
/** Ten in the main world, whose GPUs have room for five models. */
const LOADS_PER_PLACE = 2;

/** The figures of what one contender did with the requests that count. Pure. */
export function figuresOf(name: string, outcomes: readonly Outcome[], loads: number): Figures {
  const failure = commonest(outcomes.flatMap((one) => one.failure ?? []));
  const seconds = outcomes.filter(({ failure }) => failure === undefined).map(({ ms }) => ms / 1000);
  return {
    name,
    mean: seconds.reduce((sum, one) => sum + one, 0) / seconds.length,
    p50: percentile(seconds, 0.5),
    p95: percentile(seconds, 0.95),
    loads,
    failed: outcomes.length - seconds.length,
    ...(failure !== undefined && { failure }),
    atLeast: outcomes.some(({ cut }) => cut),
    waited: outcomes.filter(({ queueMs }) => queueMs >= 1).length,
  };
}

/** What ollana has to keep, against the others of the same run. Nothing without an ollana. Pure. */
export function verdictsOf(world: FleetWorld, all: readonly Figures[]): Verdict[] {
  const of = (wanted: string) => all.find(({ name }) => name === wanted);
  const [ours, hindsight, least] = [of(OURS), of(HINDSIGHT), of(LEAST_CONNECTIONS)];
  if (!ours || !hindsight || !least) return [];
  const places = world.gpus.reduce((sum, { memory }) => sum + memory, 0);
  return [
    verdict('mean/hindsight', ours.mean / hindsight.mean, MEAN_BOUND),
    verdict('p95/hindsight', ours.p95 / hindsight.p95, P95_BOUND),
    verdict('mean/least', ours.mean / least.mean, LEAST_CONNECTIONS_BOUND),
    verdict('loads', ours.loads, LOADS_PER_PLACE * places),
    verdict('failed', ours.failed, 0),
  ];
}

function commonest(words: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

function verdict(label: string, value: number, bound: number): Verdict {
  return { label, value, bound, met: value <= bound };
}
