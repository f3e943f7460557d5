import { loadavg } from 'node:os';
import { systemClock } from '../../src/clock.ts';
import { Costs } from '../../src/fleet/costs.ts';
import type { PrefixMark } from '../../src/ollama/prefix-hashes.ts';
import { Affinity } from '../../src/routing/affinity.ts';
import { Balance } from '../../src/routing/balance.ts';
import { bind } from '../../src/routing/binding.ts';
import { type ChoiceOptions, optionsFor, type Wanted } from '../../src/routing/choice.ts';
import { Demand } from '../../src/routing/demand.ts';
import { FleetSpeeds } from '../../src/routing/fleet-speeds.ts';
import type { BenchConfig } from './config.ts';
import { DecidePool, keyOf, MODELS_EACH } from './decide-pool.ts';
import { percentile } from './stats.ts';

const SERVERS = 1000;
/** Decisions of a round; those before the first round are for the compiler. */
const DECISIONS = 500;
/** Between two decisions, ms on their clock: what is renewed from time to time is among what they cost. */
const APART_MS = 10;
const MARKS = 12;
/** p99 of a decision, ms. */
const BOUND_MS = 1;

export interface DecideReport {
  readonly servers: number;
  readonly modelsEach: number;
  /** Above 0.5 or so other programs were running, and p99 is theirs. */
  readonly loadAverageAtStart: number;
  /** What is expected of every server. Times are ms. */
  readonly options: { readonly p50: number; readonly p99: number };
  /** That, and choosing among them. */
  readonly whole: { readonly p50: number; readonly p99: number };
  readonly boundMs: number;
  readonly met: boolean;
}

/** What choosing one server of very many costs, in this process and without a network. */
export function runDecide(
  { rounds }: Pick<BenchConfig, 'rounds'>,
  tell: (text: string) => void,
): DecideReport {
  const [loadAverageAtStart = Number.NaN] = loadavg();
  const pool = new DecidePool(SERVERS);
  const costs = new Costs();
  const affinity = new Affinity();
  for (let i = 0; i < SERVERS; i += 1) {
    const sample = { promptTokens: 100, promptMs: 20, outputTokens: 200, outputMs: 2000, sharing: 1 };
    costs.learn(`device-${i}`, keyOf(i), sample);
    affinity.ran(`device-${i}`, keyOf(i), marksOf(i), 0);
  }
  const desks = new Map(pool.servers.map(({ deviceId }) => [deviceId, pool.deskOf(deviceId)]));
  const speeds = new FleetSpeeds();
  const choice: ChoiceOptions = {
    deskOf: ({ deviceId }) => desks.get(deviceId) ?? pool.deskOf(deviceId),
    costs,
    affinity,
    speeds,
    demand: new Demand(),
    balance: new Balance(speeds),
    policy: 'fastest',
    dice: Math.random,
    inFlight: new Map(),
  };
  const optionsMs: number[] = [];
  const wholeMs: number[] = [];
  for (let i = -DECISIONS; i < rounds * DECISIONS; i += 1) {
    if (i % DECISIONS === 0) tell(i < 0 ? 'warming up' : `round ${i / DECISIONS + 1} of ${rounds}`);
    pool.change();
    const wanted = wantedOf(i + DECISIONS);
    const from = performance.now();
    let optionsAt = from;
    const cancel = bind({
      clock: systemClock,
      dice: Math.random,
      mayTake: true,
      options: () => {
        const found = optionsFor(choice, pool.servers, wanted, i * APART_MS, pool.servers);
        optionsAt = performance.now();
        return found;
      },
      onChange: () => () => {},
      onSeat: () => {},
      onNone: () => {
        throw new Error('no server may take what all of them have');
      },
    });
    const until = performance.now();
    cancel();
    if (i < 0) continue;
    optionsMs.push(optionsAt - from);
    wholeMs.push(until - from);
  }
  const figures = (ms: readonly number[]) => ({ p50: percentile(ms, 0.5), p99: percentile(ms, 0.99) });
  const whole = figures(wholeMs);
  return {
    servers: SERVERS,
    modelsEach: MODELS_EACH,
    loadAverageAtStart,
    options: figures(optionsMs),
    whole,
    boundMs: BOUND_MS,
    met: whole.p99 < BOUND_MS,
  };
}

/** The report as text. Pure. */
export function decideText({
  servers,
  modelsEach,
  loadAverageAtStart,
  options,
  whole,
  boundMs,
  met,
}: DecideReport): string {
  const line = (name: string, { p50, p99 }: { p50: number; p99: number }) =>
    `${name.padEnd(32)} p50 ${p50.toFixed(3)} ms   p99 ${p99.toFixed(3)} ms`;
  return [
    `One decision among ${servers} servers of ${modelsEach} models each (load average ${loadAverageAtStart.toFixed(1)}):`,
    line('what is expected of each', options),
    line('with the choice among them', whole),
    `${met ? 'met' : 'NOT met'}: p99 of a decision below ${boundMs} ms`,
  ].join('\n');
}

function wantedOf(turn: number): Wanted {
  return {
    modelKey: keyOf(turn * 7),
    promptTokens: 1000,
    maxOutputTokens: undefined,
    numCtx: undefined,
    marks: marksOf(turn * 7),
    device: 'laptop',
  };
}

function marksOf(talk: number): PrefixMark[] {
  return Array.from({ length: MARKS }, (_, i) => ({
    hash: `${talk % 64}-${i}`,
    tokens: 80 * (i + 1),
    assistant: i % 2 === 1,
  }));
}
