import { bestPlacement } from '../../fleet/placement.ts';
import { replay } from '../../fleet/replay.ts';
import { type Arrival, countedFrom, decodingShare, workloadOf } from '../../fleet/workload.ts';
import { type FleetWorld, WORLDS } from '../../fleet/world.ts';
import { readConfig } from '../config.ts';
import type { Outcome } from './ask.ts';
import type { FleetConfig } from './config.ts';
import type { Contender } from './contender.ts';
import { type Figures, figuresOf, type Verdict, verdictsOf } from './figures.ts';
import { startOther } from './others.ts';
import { startOurs } from './ours.ts';
import { type Reference, referencesOf, startReference } from './references.ts';

/** One workload, given to all contenders at the same time. */
export interface FleetRun {
  readonly load: number;
  readonly seed: number;
  /** Arrivals that count. */
  readonly counted: number;
  /** Share of the time of all GPUs that writing the answers takes. */
  readonly decoding: number;
  /** Until the last arrival, seconds. */
  readonly seconds: number;
  readonly figures: readonly Figures[];
  /** Hindsight placement as computed, without processes and sockets: far from the measured one, the machine was busy. */
  readonly computed: Figures;
  readonly verdicts: readonly Verdict[];
  readonly requests: Readonly<Record<string, readonly Row[]>>;
}

/** A request as it went, for looking into a run. */
interface Row extends Outcome {
  readonly at: number;
  readonly app: number;
  readonly model: string;
}

/** Daemons that have just started have other things to do, ms. */
const SETTLE_MS = 1000;

/** Runs one workload. Rejects when a contender does not start. */
export async function runWorkload(config: FleetConfig, load: number, seed: number): Promise<FleetRun> {
  const world = WORLDS[config.world];
  const arrivals = workloadOf(world, { seed, load, arrivals: config.arrivals, drift: config.drift });
  const from = countedFrom(config.arrivals, config.drift);
  const references = referencesOf(bestPlacement(world, arrivals, from), seed);
  const computed = references.map((one) => inVirtualTime(one, world, arrivals, from));
  const measured = config.dry
    ? undefined
    : await withContenders(config, world, references, (contenders) => play(arrivals, contenders, from));
  const figures = measured?.map(({ name, outcomes, loads }) => figuresOf(name, outcomes.slice(from), loads));
  const rows = (outcomes: readonly Outcome[]) =>
    outcomes.map((outcome, i) => {
      const { at, app, job } = arrivals[i] as Arrival;
      return { at: Math.round(at), app, model: job.model.name, ...outcome, ms: Math.round(outcome.ms) };
    });
  return {
    load,
    seed,
    counted: arrivals.length - from,
    decoding: decodingShare(world, arrivals),
    seconds: (arrivals.at(-1)?.at ?? 0) / 1000,
    figures: figures ?? computed,
    computed: computed[0] as Figures,
    verdicts: verdictsOf(world, figures ?? []),
    requests: Object.fromEntries(measured?.map(({ name, outcomes }) => [name, rows(outcomes)]) ?? []),
  };
}

function inVirtualTime(
  { name, choose, loaded }: Reference,
  world: FleetWorld,
  arrivals: readonly Arrival[],
  from: number,
): Figures {
  const { ms, loads } = replay(world, arrivals, choose, loaded);
  const outcome = { failure: undefined, server: undefined, reason: undefined, attempts: 1, queueMs: 0 };
  return figuresOf(
    name,
    ms.slice(from).map((one) => ({ ...outcome, ms: one })),
    loads,
  );
}

/** Starts all contenders, each with GPUs of its own, and stops them whatever happens. */
async function withContenders<T>(
  config: FleetConfig,
  world: FleetWorld,
  references: readonly Reference[],
  use: (contenders: readonly Contender[]) => Promise<T>,
): Promise<T> {
  const { dist, profile, clients, cards } = config;
  const daemons = { ...readConfig([]), dist, profile };
  const started = await Promise.allSettled([
    startOurs(world, { clients, cards }, daemons),
    ...references.map((reference) => startReference(reference, world, dist)),
    ...config.also.map((proxy, i) => startOther(proxy, i, world, dist)),
  ]);
  const contenders = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    return await use(contenders);
  } finally {
    await Promise.all(contenders.map((one) => one[Symbol.asyncDispose]()));
  }
}

/** Sends every arrival to all contenders when it is due. Loads count from the arrival `from` on. */
async function play(arrivals: readonly Arrival[], contenders: readonly Contender[], from: number) {
  const begins = performance.now() + SETTLE_MS;
  const until = (at: number) =>
    new Promise((resolve) => setTimeout(resolve, begins + at - performance.now()));
  const cut = new AbortController();
  const playTo = async (contender: Contender) => {
    let before = 0;
    const outcomes = await Promise.all(
      arrivals.map(async (arrival, turn) => {
        await until(arrival.at);
        if (turn === from && from > 0) before = await contender.loads();
        return contender.send(arrival, turn, cut.signal);
      }),
    );
    return { name: contender.name, outcomes, loads: (await contender.loads()) - before };
  };
  const playing = contenders.map((contender) => ({ contender, end: playTo(contender) }));
  await Promise.all(playing.filter(({ contender }) => !contender.hopeless).map(({ end }) => end));
  cut.abort();
  return Promise.all(playing.map(({ end }) => end));
}
