import type { BenchmarkRow, BenchmarkRun } from './run.ts';

/** Two years of one a week; more is no history that anybody reads. */
export const MOST_RUNS = 100;
/** Lines of all runs together: with the longest names and errors some 4 MB, which is what a command reads. */
export const MOST_ROWS = 2000;
const LONGEST_NAME = 128;
const LONGEST_ERROR = 300;
/** Beyond every honest number of ms or tokens a second. */
const MOST = 1e9;

const ROW_STATES = ['waiting', 'measuring', 'done', 'failed', 'cancelled'] as const;
const ENDS = ['done', 'cancelled', 'stopped'] as const;

/** A run with what is kept of it: names and errors are other machines' words, so these are cut. Pure. */
export function keptRun(run: BenchmarkRun): BenchmarkRun {
  return { ...run, rows: run.rows.map(keptRow) };
}

/** As many of the newest runs as are kept, the newest first; the newest one always. Pure. */
export function newestRuns(runs: readonly BenchmarkRun[]): readonly BenchmarkRun[] {
  let rows = 0;
  const over = runs.slice(0, MOST_RUNS).findIndex((run, at) => {
    rows += run.rows.length;
    return rows > MOST_ROWS && at > 0;
  });
  return runs.slice(0, over < 0 ? MOST_RUNS : over);
}

/** The runs in what a file holds; what is no run is left out. Throws an Error for what is no such file. Pure. */
export function readRuns(value: unknown): readonly BenchmarkRun[] {
  const { version, runs } = fieldsOf(value);
  if (version !== 1 || !Array.isArray(runs)) throw new Error('not a file of this version');
  return newestRuns(runs.slice(0, MOST_RUNS).flatMap((one) => readRun(fieldsOf(one)) ?? []));
}

function readRun({ id, startedAt, endedAt, state, rounds, rows }: Fields): BenchmarkRun | undefined {
  const end = ENDS.find((one) => one === state);
  if (!isText(id) || !isTime(startedAt) || !isTime(endedAt) || !end || !Array.isArray(rows)) return undefined;
  return keptRun({
    id,
    startedAt,
    endedAt,
    state: end,
    rounds: number(rounds) ?? 1,
    rows: rows.slice(0, MOST_ROWS).flatMap((row) => readRow(fieldsOf(row)) ?? []),
  });
}

function readRow(row: Fields): BenchmarkRow | undefined {
  const { server, deviceId, model, error } = row;
  const state = ROW_STATES.find((one) => one === row.state);
  if (!isText(server) || !isText(deviceId) || !isText(model) || !state) return undefined;
  return {
    server,
    deviceId,
    model,
    state,
    asked: number(row.asked) ?? 0,
    toAsk: number(row.toAsk) ?? 0,
    firstTokenMs: number(row.firstTokenMs),
    prefillPerS: number(row.prefillPerS),
    decodePerS: number(row.decodePerS),
    loadMs: number(row.loadMs),
    shared: row.shared === true,
    error: isText(error) ? error : null,
  };
}

function keptRow(row: BenchmarkRow): BenchmarkRow {
  return {
    ...row,
    server: cut(row.server, LONGEST_NAME),
    deviceId: cut(row.deviceId, LONGEST_NAME),
    model: cut(row.model, LONGEST_NAME),
    firstTokenMs: rounded(row.firstTokenMs),
    prefillPerS: rounded(row.prefillPerS),
    decodePerS: rounded(row.decodePerS),
    loadMs: rounded(row.loadMs),
    error: row.error === null ? null : cut(row.error, LONGEST_ERROR),
  };
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};
const isText = (value: unknown): value is string => typeof value === 'string';
const isTime = (value: unknown): value is string =>
  isText(value) && value.length <= 40 && !Number.isNaN(Date.parse(value));
const number = (value: unknown): number | null =>
  typeof value === 'number' && value >= 0 && value <= MOST ? value : null;
/** Nobody measures to more than a tenth. */
const rounded = (value: number | null): number | null =>
  value === null ? null : Math.round(value * 10) / 10;
/** Control characters would take six bytes each, and halves of a pair are no text. */
const cut = (text: string, most: number): string => text.replace(/\p{C}/gu, '').slice(0, most);
