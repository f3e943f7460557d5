import { type DaemonState, runningDaemons } from '../daemon/state-file.ts';
import type { StatusReport } from '../daemon/status.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { EXIT } from './exit-codes.ts';
import { getSmall } from './get-small.ts';
import { machineLines } from './machine-lines.ts';
import { safeJson } from './safe-json.ts';
import { statusTable } from './status-table.ts';

/** The daemon is on this machine and answers from memory. */
const ANSWER_LIMIT_MS = 2_000;

/**
 * Prints what the running daemons of a data directory see: tables, with `wide` the machines too, or a JSON array with
 * one StatusReport each.
 * Returns the exit code. Throws OLLANA_NOT_RUNNING (none runs) and OLLANA_DIAL_FAILED (one does not answer).
 */
export async function printStatus(dataDir: string, json: boolean, wide = false): Promise<number> {
  const daemons = runningDaemons(dataDir);
  if (daemons.length === 0)
    throw new OllanaError(
      'OLLANA_NOT_RUNNING',
      `no running ollana found in ${dataDir}: start one with \`ollana\` or \`ollana serve\`, or give its --data-dir`,
    );
  const reports = await Promise.all(daemons.map(askForReport));
  const machines = (servers: StatusReport['servers']) =>
    wide
      ? machineLines(servers)
          .map((line) => `${line}\n`)
          .join('')
      : '';
  const tables = reports.map((report) => statusTable(report) + machines(report.servers));
  process.stdout.write(json ? `${safeJson(reports)}\n` : tables.join('\n'));
  return EXIT.ok;
}

async function askForReport({ url, pid, mode }: DaemonState): Promise<StatusReport> {
  try {
    const { status, body } = await getSmall(`${url}/ollana/api/status`, ANSWER_LIMIT_MS);
    if (status !== 200) throw new Error(`HTTP status ${status}`);
    const report = JSON.parse(body) as Partial<StatusReport> | null;
    if (!report || !Array.isArray(report.servers)) throw new Error('not a status report');
    return report as StatusReport;
  } catch (error) {
    throw new OllanaError(
      'OLLANA_DIAL_FAILED',
      `ollana in ${mode} mode (pid ${pid}) at ${url} gave no status (${reasonOf(error)}): look at its log`,
      { cause: error },
    );
  }
}
