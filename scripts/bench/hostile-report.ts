import { median, percentile } from './stats.ts';

/** The time between two tokens, calm and attacked. */
export interface HostileReport {
  readonly rows: readonly {
    readonly label: string;
    readonly calmMs: number;
    readonly attackedMs: number;
    /** Median of the rounds' own ratios. */
    readonly ratio: number;
  }[];
  readonly met: boolean;
}

/** What an attack may cost another's tokens at the 99th percentile, as a ratio. */
const BOUND = 1.1;

/** Compares the gaps of each round with those of the same round; ms. Pure. */
export function summariseHostile(
  calm: readonly (readonly number[])[],
  attacked: readonly (readonly number[])[],
): HostileReport {
  const rows = [0.5, 0.99, 1].map((share) => {
    const before = calm.map((gaps) => percentile(gaps, share));
    const during = attacked.map((gaps) => percentile(gaps, share));
    return {
      label: share === 1 ? 'longest' : `p${100 * share}`,
      calmMs: median(before),
      attackedMs: median(during),
      ratio: median(during.map((ms, i) => ms / (before[i] ?? Number.NaN))),
    };
  });
  return { rows, met: (rows[1]?.ratio ?? Number.NaN) <= BOUND };
}

/** The report as Markdown. Pure. */
export function hostileTable({ rows, met }: HostileReport): string {
  return [
    'Time between two tokens of one machine while another attacks; medians of interleaved rounds.',
    '',
    '|  | calm, ms | attacked, ms | ratio |',
    '| --- | --: | --: | --: |',
    ...rows.map(
      ({ label, calmMs, attackedMs, ratio }) =>
        `| ${label} | ${calmMs.toFixed(2)} | ${attackedMs.toFixed(2)} | ${ratio.toFixed(3)} |`,
    ),
    '',
    `- ${met ? 'kept' : 'NOT KEPT'}: p99 at most ${BOUND} times as long`,
  ].join('\n');
}
