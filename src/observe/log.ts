import { type DestinationStream, destination, type Logger, pino } from 'pino';
import { systemClock } from '../clock.ts';
import { LOG_AREAS, type LogArea, type LogLevels } from '../config/log-level.ts';
import { RotatingFile } from './rotating-file.ts';

export type LogFields = Readonly<Record<string, unknown>>;

/** Messages are constant text; what varies is in the fields. Prompts, answers and keys are never logged. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Whether lines of a level are written now: those that nobody sees need not be made. */
  writes(level: 'debug' | 'info' | 'warn' | 'error'): boolean;
  flush(): void;
  /** The same log with the level of an area; absent: they all have one. */
  area?(area: LogArea): Log;
}

/** A log that can be made to tell more or less while it is written. */
export interface AdjustableLog extends Log {
  setLevels(levels: LogLevels): void;
}

export interface LogOptions {
  readonly levels: LogLevels;
  /** Lines go here instead of stderr; see `RotatingFile`. */
  readonly file?: string;
  /** One aligned line for people instead of JSON. */
  readonly pretty: boolean;
}

/** Opens a log: JSON lines for journald and files, or lines for a terminal. Throws when the file cannot be opened. */
export function createLog({ levels, file, pretty }: LogOptions): AdjustableLog {
  const stderr = file === undefined ? destination({ fd: 2, sync: true }) : undefined;
  const sink: DestinationStream = stderr ?? new RotatingFile(file ?? '');
  const stream: DestinationStream = pretty ? { write: (line) => void sink.write(prettyLine(line)) } : sink;
  const logger = pino(
    {
      base: null,
      timestamp: () => `,"time":"${new Date(systemClock.wall()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  const flush = () => stderr?.flushSync();
  const areas = LOG_AREAS.map((area) => ({ area, logger: logger.child({}) }));
  const setLevels = (now: LogLevels) => {
    logger.level = now.level;
    for (const { area, logger: own } of areas) own.level = now.areas[area] ?? now.level;
  };
  setLevels(levels);
  const lines = new Map(areas.map(({ area, logger: own }) => [area, linesOf(own, flush)]));
  const all = linesOf(logger, flush);
  return { ...all, area: (area) => lines.get(area) ?? all, setLevels };
}

function linesOf(logger: Logger, flush: () => void): Log {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    writes: (level) => logger.isLevelEnabled(level),
    flush,
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
