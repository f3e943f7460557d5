import { type DestinationStream, destination, pino } from 'pino';
import { systemClock } from '../clock.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/** Messages are constant text; what varies is in the fields. Prompts, answers and keys are never logged. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  flush(): void;
}

/** From which level on lines are written. */
export type Level = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** A log that can be made to tell more or less while it is written. */
export interface AdjustableLog extends Log {
  setLevel(level: Level): void;
}

export interface LogOptions {
  readonly level: Level;
  /** Lines go here instead of stderr; made with mode 0600, appended to. */
  readonly file?: string;
  /** One aligned line for people instead of JSON. */
  readonly pretty: boolean;
}

/** Opens a log: JSON lines for journald and files, or lines for a terminal. Throws when the file cannot be opened. */
export function createLog({ level, file, pretty }: LogOptions): AdjustableLog {
  const sink = destination(
    file === undefined ? { fd: 2, sync: true } : { dest: file, sync: true, mode: 0o600, append: true },
  );
  const stream: DestinationStream = pretty ? { write: (line) => void sink.write(prettyLine(line)) } : sink;
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(systemClock.wall()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    flush: () => sink.flushSync(),
    setLevel: (next) => {
      logger.level = next;
    },
  };
}

/** A JSON log line as `12:34:56 warn  message  key=value`, with nothing in it that steers a terminal. */
function prettyLine(json: string): string {
  const { level, time, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${plain(value)}`);
  const head = `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${plain(msg)}`;
  return `${[head, ...pairs].join('  ')}\n`;
}

function plain(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?');
}
