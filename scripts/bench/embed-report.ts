import { median } from './stats.ts';

/** Two servers are to need at most this of one server's time. */
const BOUND = 0.6;

export interface EmbedReport {
  readonly inputs: number;
  readonly rounds: number;
  /** Medians, ms. */
  readonly oneServerMs: number;
  readonly twoServersMs: number;
  /** Median over the rounds of one's time by the other's within the round. */
  readonly ratio: number;
  readonly bound: number;
  readonly met: boolean;
}

/** The figures of all rounds as one report. Pure. */
export function summariseEmbed(
  inputs: number,
  oneMs: readonly number[],
  twoMs: readonly number[],
): EmbedReport {
  const ratio = median(twoMs.map((ms, round) => ms / (oneMs[round] ?? Number.NaN)));
  const medians = { oneServerMs: median(oneMs), twoServersMs: median(twoMs) };
  return { inputs, rounds: oneMs.length, ...medians, ratio, bound: BOUND, met: ratio <= BOUND };
}

/** The report as Markdown. Pure. */
export function embedTable({
  inputs,
  rounds,
  oneServerMs,
  twoServersMs,
  ratio,
  bound,
  met,
}: EmbedReport): string {
  return [
    `Medians of ${rounds} interleaved rounds, ${inputs} inputs a request; the vectors were identical in each.`,
    '',
    '| | ms |',
    '| :-- | --: |',
    `| one server | ${oneServerMs.toFixed(1)} |`,
    `| two equal servers | ${twoServersMs.toFixed(1)} |`,
    '',
    `Two servers need ${ratio.toFixed(3)} of one's time; bound ${bound}: ${met ? 'met' : 'NOT MET'}`,
  ].join('\n');
}
