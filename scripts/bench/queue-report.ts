import { median } from './stats.ts';

/** The last answer may come this much later than from a plain Ollama. */
const BOUND = 1.02;

export interface QueueReport {
  readonly requests: number;
  readonly rows: readonly {
    readonly parallel: number;
    /** Medians, ms from the first arrival to the last byte. */
    readonly plainMs: number;
    readonly queuedMs: number;
    /** Median over the rounds of one by the other within the round. */
    readonly ratio: number;
    readonly met: boolean;
  }[];
  readonly bound: number;
}

/** The figures of all rounds as one report. Pure. */
export function summariseQueue(
  requests: number,
  rows: readonly { parallel: number; plainMs: readonly number[]; queuedMs: readonly number[] }[],
): QueueReport {
  return {
    requests,
    bound: BOUND,
    rows: rows.map(({ parallel, plainMs, queuedMs }) => {
      const ratio = median(queuedMs.map((ms, round) => ms / (plainMs[round] ?? Number.NaN)));
      return {
        parallel,
        plainMs: median(plainMs),
        queuedMs: median(queuedMs),
        ratio,
        met: ratio <= BOUND,
      };
    }),
  };
}

/** The report as Markdown. Pure. */
export function queueTable({ requests, rows, bound }: QueueReport): string {
  return [
    `${requests} requests for two models, from the first arrival to the last byte; medians; bound ${bound} x.`,
    '',
    '| at once | plain Ollama, ms | behind ollana, ms | ratio | |',
    '| --: | --: | --: | --: | :-- |',
    ...rows.map(
      ({ parallel, plainMs, queuedMs, ratio, met }) =>
        `| ${parallel} | ${plainMs.toFixed(0)} | ${queuedMs.toFixed(0)} | ${ratio.toFixed(3)} | ${met ? 'met' : 'NOT MET'} |`,
    ),
  ].join('\n');
}
