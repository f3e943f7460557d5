import type { LimitName } from './limits.ts';

/** Every reason ollana itself gives for failing; stable, for scripts and tests. */
export type ErrorCode =
  | 'OLLANA_BAD_OPTION'
  | 'OLLANA_PORT_IN_USE'
  | 'OLLANA_ALREADY_RUNNING'
  | 'OLLANA_NOT_RUNNING'
  | 'OLLANA_UNREADABLE_FILE'
  | 'OLLANA_NO_NETWORK'
  | 'OLLANA_NO_SERVER'
  | 'OLLANA_NO_MODEL'
  | 'OLLANA_BUSY'
  | 'OLLANA_QUEUE_FULL'
  | 'OLLANA_DIAL_FAILED'
  | 'OLLANA_UPSTREAM_FAILED'
  | 'OLLANA_UPSTREAM_TRUNCATED'
  | 'OLLANA_UPSTREAM_SILENT'
  | 'OLLANA_NOT_ALLOWED'
  | 'OLLANA_NOT_PAIRED'
  | 'OLLANA_LOOP'
  | 'OLLANA_BAD_REQUEST'
  | 'OLLANA_DRAINING'
  | 'OLLANA_NO_KEY'
  | 'OLLANA_RATE_LIMITED'
  | 'OLLANA_TOO_MANY'
  | 'OLLANA_DISK_FULL'
  | 'OLLANA_START_FAILED';

/** What one of several servers came to that were told the same: done where there is no `error`. */
export interface ServerEnd {
  readonly name: string;
  /** HTTP status; absent where no answer came. */
  readonly status?: number;
  /** Why it was not done. */
  readonly error?: string;
}

export interface OllanaErrorOptions {
  readonly cause?: unknown;
  /** HTTP status that a client of the proxy sees; 500 unless given. */
  readonly status?: number;
  /** Seconds for a `Retry-After` header. */
  readonly retryAfterS?: number;
  /** Who did it and who did not, when several servers were told; programs find it in the answer. */
  readonly servers?: readonly ServerEnd[];
  /** What there was too much of, where that is the reason. */
  readonly limit?: LimitName;
}

/**
 * The one error class: `code` says what happened to programs, `message` says what happened and what to do to
 * people, on one line.
 */
export class OllanaError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryAfterS: number | undefined;
  readonly servers: readonly ServerEnd[] | undefined;
  readonly limit: LimitName | undefined;

  constructor(code: ErrorCode, message: string, options: OllanaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OllanaError';
    this.code = code;
    this.status = options.status ?? 500;
    this.retryAfterS = options.retryAfterS;
    this.servers = options.servers;
    this.limit = options.limit;
  }
}

/**
 * The text of anything thrown, for a log line or an error body: one line, never a stack, and nothing that steers a
 * terminal, since it may quote what was read.
 */
export function reasonOf(error: unknown): string {
  const { message, code } = (error ?? {}) as { message?: unknown; code?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : String(code ?? error);
  return text.replace(/[\s\p{C}]+/gu, ' ').slice(0, 500);
}
