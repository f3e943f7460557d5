import { median } from './stats.ts';

/** What one daemon did for some seconds. */
interface Cost {
  /** Share of a core. */
  readonly core: number;
  /** 99th percentile of its answers, ms. */
  readonly p99: number;
}

export interface WatchedReport {
  readonly rounds: readonly { readonly unwatched: Cost; readonly watched: Cost; readonly untraced: Cost }[];
  /** What the pages cost, share of a core; median of the rounds. */
  readonly pages: number;
  /** What keeping traces adds to a request at the 99th percentile, ms; median of the rounds. */
  readonly tracingMs: number;
  readonly met: boolean;
}

/** What open pages may cost, share of a core, and traces a request, ms. */
const BOUNDS = { pages: 0.05, tracingMs: 1 };

/** Compares within each round. Pure. */
export function summariseWatched(rounds: WatchedReport['rounds']): WatchedReport {
  const pages = median(rounds.map(({ watched, unwatched }) => watched.core - unwatched.core));
  const tracingMs = median(rounds.map(({ unwatched, untraced }) => unwatched.p99 - untraced.p99));
  return { rounds, pages, tracingMs, met: pages <= BOUNDS.pages && tracingMs <= BOUNDS.tracingMs };
}

/** The report as Markdown. Pure. */
export function watchedTable({ rounds, pages, tracingMs }: WatchedReport): string {
  const said = (is: boolean) => (is ? 'kept' : 'NOT KEPT');
  const percent = (share: number) => (100 * share).toFixed(2);
  return [
    '| round | core, no page, % | core, 50 pages, % | p99 with traces, ms | p99 without, ms |',
    '| --: | --: | --: | --: | --: |',
    ...rounds.map(
      ({ unwatched, watched, untraced }, i) =>
        `| ${i + 1} | ${percent(unwatched.core)} | ${percent(watched.core)} | ${unwatched.p99.toFixed(2)} | ${untraced.p99.toFixed(2)} |`,
    ),
    '',
    `- ${said(pages <= BOUNDS.pages)}: 50 open dashboards cost ${percent(pages)} % of a core (at most ${percent(BOUNDS.pages)})`,
    `- ${said(tracingMs <= BOUNDS.tracingMs)}: keeping traces adds ${tracingMs.toFixed(2)} ms at the 99th percentile (at most ${BOUNDS.tracingMs})`,
  ].join('\n');
}
