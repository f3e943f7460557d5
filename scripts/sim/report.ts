import { percentile } from '../bench/stats.ts';
import { countedFrom } from '../fleet/workload.ts';
import { type FleetWorld, WORLDS } from '../fleet/world.ts';
import type { SimConfig } from './config.ts';
import type { Outcome } from './outcome.ts';

/** The first ones find an idle fleet. */
const WARM_UP = 0.1;
/** Of a central queue's p95, from asking to the end of the answer: to wait for a faster server may end sooner. */
const BOUND = 1.05;

/** What a table says of one way of choosing. Times are ms. */
export interface Line {
  readonly name: string;
  readonly wait: Quantiles | undefined;
  readonly mean: number;
  readonly p95: number;
  readonly loads: number;
}

interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** The figures of an outcome, the beginning left out. Pure. */
function lineOf({ name, waits, totals, loads }: Outcome, from: number): Line {
  const waited = waits.slice(from);
  const ended = totals.slice(from);
  return {
    name,
    wait:
      waited.length === 0
        ? undefined
        : { p50: percentile(waited, 0.5), p95: percentile(waited, 0.95), p99: percentile(waited, 0.99) },
    mean: ended.reduce((sum, ms) => sum + ms, 0) / ended.length,
    p95: percentile(ended, 0.95),
    loads,
  };
}

/** All outcomes as text of at most 80 columns. Pure. */
export function simReport(config: SimConfig, outcomes: readonly Outcome[]): string {
  const { servers, laptops, load, seed, requests, staleMs, lost, world, drift, cards } = config;
  const from = world === 'scale' ? Math.floor(requests * WARM_UP) : countedFrom(requests, drift);
  const lines = outcomes.map((one) => lineOf(one, from));
  return [
    world !== 'scale'
      ? `${shared(WORLDS[world])}, ${laptops} laptops, load ${load}, ${requests} requests, seed ${seed}${drift ? ', drift' : ''}${cards ? '' : ', no cards'}`
      : `${servers} servers, ${laptops} laptops, load ${load}, ${requests} requests, seed ${seed}`,
    `load tables ${staleMs} ms under way, ${100 * lost} % of messages lost; times in ms`,
    '',
    row('', ['wait p50', 'p95', 'p99', 'mean end', 'p95', 'loads']),
    ...lines.map(({ name, wait, mean, p95, loads }) =>
      row(name, [...[wait?.p50, wait?.p95, wait?.p99, mean, p95].map(show), String(loads)]),
    ),
    '',
    ...outcomes.flatMap(effortText),
    ...(world === 'scale' ? verdict(lines) : ratios(lines)),
  ].join('\n');
}

function effortText({ name, effort }: Outcome): string[] {
  if (!effort) return [];
  const { messages, mostMessages, told, decisions, tickets, busy } = effort;
  return [
    `${name}, per request: ${messages.toFixed(2)} messages (at most ${mostMessages}), ${decisions.toFixed(2)} decisions,`,
    `  ${tickets.toFixed(2)} tickets, ${busy.toFixed(2)} taken seats, ${told.toFixed(2)} changes of load told`,
  ];
}

function verdict(lines: readonly Line[]): string[] {
  const p95 = (name: string) => lines.find((line) => line.name === name)?.p95 ?? Number.NaN;
  const [ours, central] = [p95('tickets'), p95('central FIFO')];
  const within = ours <= central * BOUND ? 'within' : 'NOT within';
  return [
    `p95 end of tickets ${show(ours)} ms, of central FIFO ${show(central)} ms: ${within} the bound of ${BOUND} x`,
  ];
}

function ratios(lines: readonly Line[]): string[] {
  const of = (name: string) => lines.find((line) => line.name === name);
  const [ours, best, least] = [of('tickets'), of('hindsight placement'), of('least connections')];
  if (!ours || !best || !least) return [];
  const x = (a: number, b: number) => `${(a / b).toFixed(2)} x`;
  return [
    `tickets: mean ${x(ours.mean, best.mean)} and p95 ${x(ours.p95, best.p95)} of hindsight, mean ${x(ours.mean, least.mean)} of least connections`,
  ];
}

function shared({ gpus, models }: FleetWorld): string {
  return `${gpus.length} GPUs that share ${models.length} models`;
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(27) + cells.map((cell, i) => cell.padStart(i === 5 ? 6 : 9)).join('');
}

function show(ms: number | undefined): string {
  if (ms === undefined) return '-';
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
}
