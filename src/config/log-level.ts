export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What can have a level of its own: servers that come and go, requests, discovery. */
export const LOG_AREAS = ['servers', 'requests', 'discovery'] as const;
export type LogArea = (typeof LOG_AREAS)[number];

export interface LogLevels {
  readonly level: LogLevel;
  /** Areas that have another. */
  readonly areas: Readonly<Partial<Record<LogArea, LogLevel>>>;
}

/** Reads `warn`, `discovery=debug` or `info,discovery=debug,requests=warn`. Throws RangeError saying what would do. */
export function parseLogLevels(text: string): LogLevels {
  let level: LogLevel | undefined;
  const areas: Partial<Record<LogArea, LogLevel>> = {};
  for (const part of text.toLowerCase().split(',')) {
    const [name = '', value] = part.split('=').map((one) => one.trim());
    const found = LOG_LEVELS.find((one) => one === (value ?? name));
    const area = LOG_AREAS.find((one) => one === name);
    if (!found || (value !== undefined && !area)) throw new RangeError(HINT);
    if (value === undefined) level = found;
    else if (area) areas[area] = found;
  }
  return Object.freeze({ level: level ?? 'info', areas: Object.freeze(areas) });
}

/** The same text, when it is understood. Throws like `parseLogLevels`. */
export function readLogLevels(text: string): string {
  parseLogLevels(text);
  return text.toLowerCase();
}

const HINT = `give ${LOG_LEVELS.join(', ')}, for an area (${LOG_AREAS.join(', ')}) another: info,discovery=debug`;
