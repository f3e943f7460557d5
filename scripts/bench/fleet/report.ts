import type { FleetConfig } from './config.ts';
import { HINDSIGHT } from './contender.ts';
import type { Figures } from './figures.ts';
import type { FleetRun } from './run.ts';

export interface FleetReport {
  readonly world: string;
  readonly clients: number;
  readonly drift: boolean;
  readonly node: string;
  readonly cores: number;
  /** Above 0.5 or so other programs were running, and the figures are that much less worth. */
  readonly loadAverageAtStart: number;
  readonly runs: readonly FleetRun[];
  /** Every bound was kept in every run. */
  readonly met: boolean;
}

/** Measured and computed hindsight may differ by this share before a run is called disturbed. */
const DISTURBED = 0.1;

/** The figures of one run as text of at most 80 columns. Pure. */
export function runTable(
  run: FleetRun,
  { world, clients, drift }: Pick<FleetConfig, 'world' | 'clients' | 'drift'>,
) {
  const { load, decoding, seed, counted, seconds, figures, computed, verdicts } = run;
  const counts = drift ? `last ${counted} after a drift` : `${counted} arrivals`;
  const measured = figures.find(({ name }) => name === HINDSIGHT)?.mean ?? computed.mean;
  const disturbed = Math.abs(measured / computed.mean - 1) > DISTURBED && verdicts.length > 0;
  return [
    `${world}, load ${load} (decoding ${decoding.toFixed(2)}), seed ${seed}, ${clients} laptop${clients > 1 ? 's' : ''}, ${seconds.toFixed(0)} s: ${counts}`,
    `${'seconds'.padEnd(20)}${['mean', 'p50', 'p95', 'loads', 'failed', 'waited'].map((one) => one.padStart(9)).join('')}`,
    ...figures.map(line),
    ...figures.flatMap(({ name, failure }) =>
      failure === undefined ? [] : [`${name}: ${failure}`.slice(0, 80)],
    ),
    ...(disturbed ? [`computed hindsight: ${computed.mean.toFixed(2)} s mean: the machine was busy`] : []),
    ...verdicts.map(
      ({ label, value, bound, met }) =>
        `${label.padEnd(20)}${shown(value).padStart(9)}   bound ${String(bound).padEnd(5)} ${met ? 'met' : 'NOT MET'}`,
    ),
    '',
  ].join('\n');
}

/** One line a run, and whether all is well. Pure. */
export function fleetTable({ runs, met }: FleetReport): string {
  const [first] = runs;
  if (!first || first.verdicts.length === 0) return '';
  const heads = first.verdicts.map(({ label }) => label.padStart(wide(label))).join('');
  const lines = runs.map(({ load, seed, verdicts }) => {
    const values = verdicts
      .map((one) => `${shown(one.value)}${one.met ? ' ' : '!'}`.padStart(wide(one.label)))
      .join('');
    return `${`${load}`.padEnd(6)}${`${seed}`.padEnd(4)}${values}`;
  });
  return [`load  seed${heads}`, ...lines, met ? 'all bounds met' : 'NOT MET where there is a !'].join('\n');
}

/** Two columns of space before each, and room for a figure. */
function wide(label: string): number {
  return Math.max(8, label.length + 2);
}

function line({ name, mean, p50, p95, loads, failed, atLeast, waited }: Figures): string {
  const cells = [mean.toFixed(2), p50.toFixed(2), p95.toFixed(2), loads, failed, waited];
  const shownName = atLeast ? `${name}, at least` : name;
  return `${shownName.slice(0, 19).padEnd(20)}${cells.map((cell) => String(cell).padStart(9)).join('')}`;
}

function shown(value: number): string {
  if (Number.isNaN(value)) return '-';
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}
