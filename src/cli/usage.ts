import type { Usage } from '../observe/usage-query.ts';
import { readReport, theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { safeJson } from './safe-json.ts';
import { type Column, rowLine, titleLine } from './table.ts';

export interface UsageOrder {
  readonly dataDir: string;
  readonly json: boolean;
  readonly csv: boolean;
  readonly by: string;
  readonly since: string | undefined;
}

interface UsageReport {
  readonly by: string;
  readonly since: string;
  readonly rows: readonly Usage[];
}

/**
 * Prints what requests add up to: a table, CSV (RFC 4180) or JSON. Returns the exit code. Throws OLLANA_NOT_RUNNING and
 * OLLANA_DIAL_FAILED.
 */
export async function printUsage({ dataDir, json, csv, by, since }: UsageOrder): Promise<number> {
  const query = new URLSearchParams({ by, ...(since !== undefined && { since }) });
  const report = await readReport<UsageReport>(
    theDaemon(dataDir),
    `/dashboard/api/usage?${query}`,
    ({ rows }) => Array.isArray(rows),
  );
  process.stdout.write(json ? `${safeJson(report)}\n` : csv ? csvText(report) : usageTable(report));
  return EXIT.ok;
}

function usageTable({ by, since, rows }: UsageReport): string {
  if (rows.length === 0) return `no request has run a model since ${since}\n`;
  const columns: readonly Column<Usage>[] = [
    { title: by.toUpperCase(), width: 26, align: 'left', cell: ({ key }) => (key === '' ? '(none)' : key) },
    { title: 'REQUESTS', width: 9, align: 'right', cell: ({ requests }) => String(requests) },
    { title: 'FAILED', width: 7, align: 'right', cell: ({ failed }) => String(failed) },
    { title: 'READ', width: 10, align: 'right', cell: ({ promptTokens }) => String(promptTokens) },
    { title: 'WRITTEN', width: 10, align: 'right', cell: ({ completionTokens }) => String(completionTokens) },
    { title: 'GPU S', width: 10, align: 'right', cell: ({ gpuSeconds }) => gpuSeconds.toFixed(1) },
  ];
  return [titleLine(columns), ...rows.map((row) => rowLine(columns, row)), ''].join('\n');
}

function csvText({ by, rows }: UsageReport): string {
  const names = ['requests', 'failed', 'promptTokens', 'completionTokens', 'gpuSeconds', 'energyWh'] as const;
  const lines = rows.map((row) => [field(row.key), ...names.map((name) => String(row[name] ?? ''))]);
  return [[by, ...names], ...lines].map((line) => `${line.join(',')}\r\n`).join('');
}

/** A spreadsheet takes what begins like a formula for one, and names come from whoever asks. */
function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
