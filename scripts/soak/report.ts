import type { Judged } from './flat.ts';
import { KINDS, type Tally } from './tally.ts';

/** What a soak has found. */
export interface SoakReport {
  readonly minutes: number;
  readonly tally: Tally;
  /** Requests by the daemon's own count. */
  readonly told: number;
  readonly troubles: Readonly<Record<string, number>>;
  readonly processes: readonly { readonly name: string; readonly rows: readonly Judged[] }[];
  /** What is wrong with how requests ended, and with what was left behind. */
  readonly wrong: readonly string[];
}

/** Whether nothing grew and nothing was wrong. Pure. */
export function passed({ processes, wrong }: SoakReport): boolean {
  return wrong.length === 0 && processes.every(({ rows }) => rows.every(({ flat }) => flat));
}

/** The report as Markdown. Pure. */
export function soakTable(report: SoakReport): string {
  const { minutes, tally, told, troubles, processes, wrong } = report;
  const perSecond = tally.asked / (60 * minutes);
  const rows = processes.flatMap(({ name, rows }) =>
    rows.map(
      ({ label, quarters, allowed, flat }) =>
        `| ${name} | ${label} | ${[...quarters, allowed].map(shown).join(' | ')} | ${flat ? 'flat' : 'NOT FLAT'} |`,
    ),
  );
  const grown = processes.flatMap(({ name, rows }) =>
    rows
      .filter(({ flat }) => !flat)
      .map(({ label, why }) => `${name}: ${label}: more than ${why} account for`),
  );
  return [
    `${tally.asked} requests in ${minutes.toFixed(1)} minutes (${perSecond.toFixed(0)} a second); ollana counted ${told}.`,
    '',
    `| ${KINDS.join(' | ')} | sum |`,
    `| ${KINDS.map(() => '--:').join(' | ')} | --: |`,
    `| ${KINDS.map((kind) => tally[kind]).join(' | ')} | ${KINDS.reduce((sum, kind) => sum + tally[kind], 0)} |`,
    '',
    `Troubles: ${Object.entries(troubles)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}.`,
    '',
    '| process | means of | 1st quarter | 2nd | 3rd | last | allowed | |',
    '| --- | --- | --: | --: | --: | --: | --: | --- |',
    ...rows,
    '',
    ...[...wrong, ...grown].map((line) => `- ${line}`),
    `Verdict: ${grown.length === 0 ? 'flat' : 'NOT FLAT'}, ${wrong.length === 0 ? 'every request ended truthfully' : 'NOT TRUTHFUL'}`,
  ].join('\n');
}

const shown = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
