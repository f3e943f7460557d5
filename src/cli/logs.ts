import { sleepAwake } from '../clock.ts';
import type { TraceView } from '../dashboard/view.ts';
import { readReport, theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { rowLine, titleLine } from './table.ts';
import { LOG_COLUMNS } from './trace-line.ts';

export interface LogsOrder {
  readonly dataDir: string;
  readonly json: boolean;
  readonly since: string | undefined;
  readonly follow: boolean;
  readonly model: string | undefined;
  readonly server: string | undefined;
  readonly status: string | undefined;
}

/** A page of `/dashboard/api/traces`. */
interface Page {
  readonly traces: readonly TraceView[];
  readonly next: number | null;
  readonly newest: number;
}

/** What a terminal shows without scrolling. */
const LAST = 20;
const PAGE = 1000;
/** Who asks for a month of requests gets this many pages; `sqlite3` reads all. */
const MOST_PAGES = 100;
/** Rows are in the file within a second of the request's end, and are asked for as often, ms. */
const LOOK_EVERY_MS = 1000;

/**
 * Prints requests that have ended, oldest first: the last 20, or those since a time, a line each, or a line of JSON each;
 * `follow` goes on with new ones until the process ends. Returns the exit code. Throws OLLANA_NOT_RUNNING and
 * OLLANA_DIAL_FAILED.
 */
export async function printLogs(order: LogsOrder): Promise<number> {
  const { dataDir, json, since, follow, model, server, status } = order;
  const daemon = theDaemon(dataDir);
  const filters = { model, server, status, since };
  const page = (more: Readonly<Record<string, string | number | undefined>>) =>
    readReport<Page>(daemon, `/dashboard/api/traces?${queryOf({ ...filters, ...more })}`, ({ traces }) =>
      Array.isArray(traces),
    );
  const print = (lines: readonly TraceView[]) => {
    const text = (line: TraceView) => (json ? safeJson(line, 0) : rowLine(LOG_COLUMNS, line));
    for (const line of lines) process.stdout.write(`${text(line)}\n`);
  };
  const wanted = since === undefined ? LAST : Number.POSITIVE_INFINITY;
  let found = await page({ limit: Math.min(PAGE, wanted) });
  let seen = found.newest;
  let lines = [...found.traces];
  for (let pages = 1; pages < MOST_PAGES && found.next !== null && lines.length < wanted; pages++) {
    found = await page({ limit: Math.min(PAGE, wanted - lines.length), before: found.next });
    lines = [...lines, ...found.traces];
  }
  if (!json) process.stdout.write(`${titleLine(LOG_COLUMNS)}\n`);
  print(lines.reverse());
  // A reader that has gone (`| head`) has seen enough.
  while (follow && process.stdout.writable) {
    // A timer of the clock would not keep this process alive.
    await sleepAwake(LOOK_EVERY_MS);
    const news = await page({ limit: PAGE, after: seen });
    seen = news.newest;
    print([...news.traces].reverse());
  }
  return EXIT.ok;
}

function queryOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, String(value));
  return query.toString();
}
