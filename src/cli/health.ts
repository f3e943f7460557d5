import { sleep, systemClock } from '../clock.ts';
import type { HealthReport, ReportedProblem } from '../observe/health/report.ts';
import { type CommandedDaemon, readReport, theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { changeLine, healthText } from './health-text.ts';
import { safeJson } from './safe-json.ts';
import { stayAwake } from './stay-awake.ts';

/** The daemon looks every 5 s; asked more often it says the same. */
const WATCH_EVERY_MS = 2000;

export interface HealthOrder {
  readonly dataDir: string;
  readonly json: boolean;
  /** A line whenever a problem begins or ends, until told to end. */
  readonly watch: boolean;
}

/**
 * Prints what the running daemon finds wrong: as text, or a HealthReport as JSON. Returns the exit code: 0 when nothing
 * is critical, else 1; with `watch`, as it was at the end. Throws OLLANA_NOT_RUNNING and OLLANA_DIAL_FAILED.
 */
export async function printHealth({ dataDir, json, watch }: HealthOrder): Promise<number> {
  const daemon = theDaemon(dataDir);
  let report = await ask(daemon);
  const whole = watch ? `${safeJson(report, 0)}\n` : `${safeJson(report)}\n`;
  process.stdout.write(json ? whole : healthText(report));
  if (!watch) return exitCode(report);
  const over = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => over.abort());
  process.stdout.once('error', () => over.abort());
  const rest = stayAwake();
  while (!over.signal.aborted) {
    await sleep(systemClock, WATCH_EVERY_MS, over.signal);
    if (over.signal.aborted) break;
    const next = await ask(daemon);
    for (const line of changes(report, next, json)) process.stdout.write(`${line}\n`);
    report = next;
  }
  rest();
  return exitCode(report);
}

function ask(daemon: CommandedDaemon): Promise<HealthReport> {
  return readReport<HealthReport>(daemon, '/dashboard/api/health', ({ problems }) => Array.isArray(problems));
}

function exitCode({ status }: HealthReport): number {
  return status === 'critical' ? EXIT.failed : EXIT.ok;
}

/** A line for each problem that is in one of two reports only, those that ended first. */
function changes(before: HealthReport, after: HealthReport, json: boolean): string[] {
  const only = (from: HealthReport, other: HealthReport) =>
    from.problems.filter(({ id }) => !other.problems.some((one) => one.id === id));
  const line = (change: 'began' | 'ended') => (problem: ReportedProblem) =>
    json
      ? safeJson({ type: `problem-${change}`, score: after.score, problem }, 0)
      : changeLine(change, problem);
  return [...only(before, after).map(line('ended')), ...only(after, before).map(line('began'))];
}
