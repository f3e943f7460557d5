import type { BenchmarkPlan, BenchmarkRow, BenchmarkRun } from '../../observe/benchmark/run.ts';
import { type Column, rowLine, titleLine } from '../table.ts';
import { cutTo, plainText, wrap } from '../text.ts';
import { inSeconds } from '../trace-line.ts';

const COLUMNS = 80;
/** A hundred servers that fail say it in as many lines, one each. */
const MOST_ERRORS = 20;

/** The table's columns; widths and the blanks between them add up to 79. */
const TABLE: readonly Column<BenchmarkRow>[] = [
  { title: 'SERVER', width: 14, align: 'left', cell: ({ server }) => server },
  { title: 'MODEL', width: 23, align: 'left', cell: markedModel },
  { title: 'FIRST', width: 7, align: 'right', cell: ({ firstTokenMs }) => inSeconds(firstTokenMs) },
  { title: 'READ/S', width: 9, align: 'right', cell: ({ prefillPerS }) => perSecond(prefillPerS) },
  { title: 'WRITTEN/S', width: 9, align: 'right', cell: ({ decodePerS }) => perSecond(decodePerS) },
  { title: 'LOAD', width: 6, align: 'right', cell: ({ loadMs }) => inSeconds(loadMs) },
  { title: 'STATE', width: 5, align: 'left', cell: ({ state }) => STATES[state] },
];

const STATES: Readonly<Record<BenchmarkRow['state'], string>> = {
  waiting: '-',
  measuring: 'now',
  done: 'ok',
  failed: 'fail',
  cancelled: 'part',
};

/**
 * A benchmark that has ended, for a terminal of 80 columns, ending in a line break: a line for each model at a server,
 * then what failed and what is partial. Names and errors are other machines' words: printed as plain text. Pure.
 */
export function benchmarkTable({ rows, state, rounds }: BenchmarkRun): string {
  const failed = rows.filter(({ error }) => error !== null);
  const notes = [
    'FIRST: time to the first token, model in memory. READ/S, WRITTEN/S: tokens a second.',
    ...(rounds > 1 ? [`Medians of ${rounds} rounds.`] : []),
    ...(rows.some(({ shared }) => shared)
      ? ['* others used the server at the same time: it can do more than this.']
      : []),
    ...(state === 'done' ? [] : [partialText({ rows, state })]),
  ];
  const errors = failed
    .slice(0, MOST_ERRORS)
    .map(
      ({ server, model, error }) =>
        `failed: ${shortName(model)} at ${shortName(server)}: ${plainText(error ?? '')}`,
    );
  const more = failed.length > MOST_ERRORS ? [`and ${failed.length - MOST_ERRORS} more`] : [];
  const lines = [
    titleLine(TABLE),
    ...rows.map((row) => rowLine(TABLE, row)),
    ...[...errors, ...more].flatMap((text) => wrap(text, COLUMNS)),
    ...notes.flatMap((text) => wrap(text, COLUMNS)),
  ];
  return `${lines.join('\n')}\n`;
}

/** Earlier benchmarks, the newest last, ending in a line break. Pure but for the time zone. */
export function historyText(history: readonly BenchmarkRun[]): string {
  if (history.length === 0) return 'No benchmark has been run yet: start one with `ollana benchmark`.\n';
  return [...history]
    .reverse()
    .map((run) => `${localTime(run.startedAt)}  ${run.state}\n${benchmarkTable(run)}`)
    .join('\n');
}

/** What a benchmark is going to cost, said before it begins. Pure. */
export function planText({ targets, servers, loads, gpuMs, tookMs }: BenchmarkPlan): string {
  const text = [
    `This uses GPU time: ${timeText(gpuMs)} for ${counted(targets.length, 'model')} at ${counted(servers, 'server')}, about;`,
    servers > 1
      ? `side by side they take ${timeText(tookMs)}.`
      : 'other requests there are slower meanwhile.',
    ...(loads > 0
      ? [
          `${loads === 1 ? 'One has' : `${loads} have`} to be loaded, which may push models out of memory that are in use.`,
        ]
      : []),
  ].join(' ');
  return wrap(text, COLUMNS).join('\n');
}

/** How far a benchmark has come, on one line. Pure. */
export function progressLine({ rows }: BenchmarkRun, columns: number): string {
  const asked = rows.reduce((all, row) => all + row.asked, 0);
  const toAsk = rows.reduce((all, row) => all + (isOver(row) ? row.asked : row.toAsk), 0);
  const now = rows
    .filter(({ state }) => state === 'measuring')
    .map(({ server, model }) => `${model} at ${server}`);
  return cutTo(plainText(`${asked}/${toAsk} answers  ${now.join(', ')}`), columns);
}

/** A row that has ended, as a line. Pure. */
export const rowText = (row: BenchmarkRow): string => rowLine(TABLE, row);

/** Whether a row is as it stays. Pure. */
export const isOver = ({ state }: BenchmarkRow): boolean => state !== 'waiting' && state !== 'measuring';

function partialText({ rows, state }: Pick<BenchmarkRun, 'rows' | 'state'>): string {
  const whole = rows.filter((row) => row.state === 'done').length;
  const why = state === 'stopped' ? 'ollana ended' : 'it was cancelled';
  return `Partial: ${why} when ${whole} of ${counted(rows.length, 'row')} had been measured to the end.`;
}

/** The mark is never cut off with the end of a long name. */
function markedModel({ model, shared }: BenchmarkRow, width: number): string {
  const name = plainText(model);
  return shared ? `${cutTo(name, width - 1)}*` : name;
}

const shortName = (name: string): string => cutTo(plainText(name), 30);

const perSecond = (rate: number | null): string => (rate === null ? '-' : rate.toFixed(rate < 100 ? 1 : 0));

/** `8 s`, `3 min`: nobody knows it better. */
function timeText(ms: number): string {
  const s = Math.max(1, Math.round(ms / 1000));
  return s < 120 ? `${s} s` : `${Math.round(s / 60)} min`;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function localTime(iso: string): string {
  const date = new Date(iso);
  return `${date.toLocaleDateString('en-CA')} ${date.toTimeString().slice(0, 5)}`;
}
