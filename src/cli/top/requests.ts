import { inSeconds } from '../trace-line.ts';
import type { FlexColumn } from './fit.ts';
import type { Known } from './known.ts';
import { speedText } from './servers.ts';

/** A request that is at a server, or has ended just now. Times are ms. */
export interface RequestRow {
  readonly isRunning: boolean;
  /** When it was sent or has ended, since 1970. */
  readonly at: number;
  readonly status: string;
  readonly model: string | null;
  readonly server: string | null;
  readonly firstMs: number | null;
  /** So far, of one that runs. */
  readonly wholeMs: number;
  readonly tokens: number | null;
  readonly tokensPerS: number | null;
  /** What went wrong, else which app asked. */
  readonly note: string;
}

/** One line a request. */
export const REQUEST_COLUMNS: readonly FlexColumn<RequestRow>[] = [
  { title: 'TIME', min: 8, max: 8, rank: 3, align: 'left', cell: ({ at }) => localTime(at) },
  { title: 'REQUEST', min: 10, max: 10, rank: 0, align: 'left', cell: ({ status }) => status },
  { title: 'MODEL', min: 10, max: 36, rank: 1, align: 'left', cell: ({ model }) => model ?? '-' },
  { title: 'SERVER', min: 8, max: 28, rank: 0, align: 'left', cell: ({ server }) => server ?? '-' },
  { title: 'FIRST', min: 6, max: 6, rank: 5, align: 'right', cell: ({ firstMs }) => inSeconds(firstMs) },
  { title: 'WHOLE', min: 6, max: 6, rank: 2, align: 'right', cell: ({ wholeMs }) => inSeconds(wholeMs) },
  { title: 'TOK', min: 5, max: 6, rank: 4, align: 'right', cell: ({ tokens }) => String(tokens ?? '-') },
  { title: 'TOK/S', min: 6, max: 6, rank: 2, align: 'right', cell: (row) => speedText(row.tokensPerS) },
  { title: 'APP OR ERROR', min: 16, max: 80, rank: 6, align: 'left', cell: ({ note }) => note },
];

/** Those that run, the oldest first, then those that have ended, the newest first. `wall`: now. Pure. */
export function requestRows(known: Known, wall: number): readonly RequestRow[] {
  const running = (known.running ?? []).map(({ at, model, server }) => ({
    isRunning: true,
    at,
    status: 'running',
    model,
    server,
    firstMs: null,
    wholeMs: Math.max(0, wall - at),
    tokens: null,
    tokensPerS: null,
    note: '',
  }));
  const ended = (known.recent ?? []).map((row) => ({
    isRunning: false,
    at: row.at,
    status: row.outcome === 'client-left' ? 'left' : row.outcome,
    model: row.model,
    server: row.server,
    firstMs: row.firstByteMs,
    wholeMs: row.durationMs,
    tokens: row.tokens,
    tokensPerS: row.tokensPerS,
    note: row.error ?? row.app ?? '',
  }));
  return [...running, ...ended];
}

/** `12:34:56` where this terminal is. Pure but for the time zone. */
export function localTime(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}
