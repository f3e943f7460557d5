import { median, percentile } from './stats.ts';

/** Times between two tokens, ms: of streams through ollana, and of others past it at the same time. */
export interface Gaps {
  readonly through: readonly number[];
  readonly direct: readonly number[];
}

interface Row {
  readonly label: string;
  readonly calmMs: number;
  readonly attackedMs: number;
  /** Median of the rounds' own ratios. */
  readonly ratio: number;
}

/** The time between two tokens, calm and attacked. */
export interface HostileReport {
  readonly through: readonly Row[];
  readonly direct: readonly Row[];
  /** The 99th percentile's ratio through ollana over that of the same round past it, median of the rounds. */
  readonly ours: number;
  readonly met: boolean;
}

/** What an attack may cost another's tokens at the 99th percentile, as a ratio. */
const BOUND = 1.1;

/** Compares the gaps of each round with those of the same round. Pure. */
export function summariseHostile(calm: readonly Gaps[], attacked: readonly Gaps[]): HostileReport {
  const rows = (way: keyof Gaps) => [0.5, 0.99, 1].map((share) => rowOf(calm, attacked, way, share));
  const ours = median(
    calm.map((before, i) => {
      const ratio = (way: keyof Gaps) =>
        percentile(attacked[i]?.[way] ?? [], 0.99) / percentile(before[way], 0.99);
      return ratio('through') / ratio('direct');
    }),
  );
  return { through: rows('through'), direct: rows('direct'), ours, met: ours <= BOUND };
}

function rowOf(calm: readonly Gaps[], attacked: readonly Gaps[], way: keyof Gaps, share: number): Row {
  const before = calm.map((gaps) => percentile(gaps[way], share));
  const during = attacked.map((gaps) => percentile(gaps[way], share));
  return {
    label: share === 1 ? 'longest' : `p${100 * share}`,
    calmMs: median(before),
    attackedMs: median(during),
    ratio: median(during.map((ms, i) => ms / (before[i] ?? Number.NaN))),
  };
}

/** The report as Markdown. Pure. */
export function hostileTable({ through, direct, ours, met }: HostileReport): string {
  const rows = (list: readonly Row[], way: string) =>
    list.map(
      ({ label, calmMs, attackedMs, ratio }) =>
        `| ${label}, ${way} | ${calmMs.toFixed(2)} | ${attackedMs.toFixed(2)} | ${ratio.toFixed(3)} |`,
    );
  return [
    'Time between two tokens of one machine while another attacks; medians of interleaved rounds.',
    'All processes share this machine: streams past ollana tell what that alone costs.',
    '',
    '|  | calm, ms | attacked, ms | ratio |',
    '| --- | --: | --: | --: |',
    ...rows(through, 'through ollana'),
    ...rows(direct, 'past it'),
    '',
    `- p99 through ollana over that past it: ${ours.toFixed(3)} times as long when attacked; ${met ? 'kept' : 'NOT KEPT'}: at most ${BOUND}`,
  ].join('\n');
}
