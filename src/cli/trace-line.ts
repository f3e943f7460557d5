import type { TraceView } from '../dashboard/view.ts';
import type { Column } from './table.ts';

/** One line a request; 79 columns with the blanks between them. */
export const LOG_COLUMNS: readonly Column<TraceView>[] = [
  { title: 'TIME', width: 8, align: 'left', cell: ({ timestamp }) => localTime(timestamp) },
  { title: 'ID', width: 8, align: 'left', cell: ({ request_id }) => request_id.slice(0, 8) },
  { title: 'STATUS', width: 10, align: 'left', cell: ({ status }) => SHORT[status] ?? status },
  { title: 'MODEL', width: 18, align: 'left', cell: ({ model }) => model ?? '-' },
  { title: 'SERVER', width: 11, align: 'left', cell: ({ node_id }) => node_id ?? '-' },
  { title: 'FIRST', width: 6, align: 'right', cell: (line) => inSeconds(line.time_to_first_token_ms) },
  { title: 'WHOLE', width: 6, align: 'right', cell: (line) => inSeconds(line.latency_ms) },
  { title: 'TOK', width: 5, align: 'right', cell: (line) => String(line.completion_tokens ?? '-') },
];

const SHORT: Readonly<Record<string, string>> = { client_disconnected: 'left' };

/** `0.12s`, `12.3s`, `123s`; `-` where it is not known. Pure. */
export function inSeconds(ms: number | null): string {
  if (ms === null) return '-';
  const s = ms / 1000;
  return `${s.toFixed(s < 10 ? 2 : s < 100 ? 1 : 0)}s`;
}

/** `12:34:56` where this terminal is. Pure but for the time zone. */
function localTime(seconds: number): string {
  return new Date(seconds * 1000).toTimeString().slice(0, 8);
}
