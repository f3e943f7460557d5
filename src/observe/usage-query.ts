import type { Sqlite } from './trace-file.ts';

/** What usage may be shown by. `device` is the address that asked. */
export const USAGE_KEYS = ['model', 'server', 'app', 'device', 'hour', 'day'] as const;
export type UsageKey = (typeof USAGE_KEYS)[number];

export interface UsageQuery {
  readonly by: UsageKey;
  /** No older hours, ms since 1970. */
  readonly since: number;
  /** What local time is ahead of UTC, minutes: where days begin. */
  readonly offsetMin: number;
}

/** What requests add up to. */
export interface Usage {
  /** A name, or where hours or days were asked for, when they begin (ISO 8601); '' where nobody told. */
  readonly key: string;
  readonly requests: number;
  readonly failed: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** As far as servers tell: Ollama does in its own protocol, not in OpenAI's. */
  readonly gpuSeconds: number;
  readonly meanLatencyMs: number;
  /** Null where no server tells what it draws. */
  readonly energyWh: number | null;
  /** When the last hour with any of it began, ms since 1970. */
  readonly lastHourMs: number;
}

/** Names shown; who has more than these looks at the numbers of all in a spreadsheet of a year: hours and days fit. */
const MAX_KEYS = 10_000;

const COLUMN = {
  model: 'model',
  server: 'node_id',
  app: 'app',
  device: 'client',
  hour: 'hour',
  day: 'hour',
} as const;

/** Reads usage: names by requests, most first; hours and days in order. Throws what SQLite says. */
export function readUsage(db: Sqlite, { by, since, offsetMin }: UsageQuery): readonly Usage[] {
  const column = COLUMN[by];
  const order = column === 'hour' ? 'k' : 'requests DESC, k';
  const rows = db.all(
    `SELECT ${column} AS k, sum(requests) AS requests, sum(failed) AS failed, sum(prompt_tokens) AS p,
       sum(completion_tokens) AS c, sum(gpu_ms) AS gpu, sum(latency_ms) AS latency, sum(energy_j) AS energy,
       max(hour) AS last
     FROM usage_hours WHERE hour >= ? GROUP BY k ORDER BY ${order} LIMIT ${MAX_KEYS}`,
    Math.floor(since / 3_600_000),
  );
  const groups = new Map<string, Record<string, number | null>>();
  for (const row of rows) {
    const key = column === 'hour' ? begin(by === 'day', Number(row.k), offsetMin) : String(row.k);
    const sum = groups.get(key);
    const { k: _k, ...numbers } = row as Record<string, number | null>;
    if (!sum) groups.set(key, numbers);
    else
      for (const [name, value] of Object.entries(numbers))
        if (name === 'last') sum.last = Math.max(Number(sum.last), Number(value));
        else if (value !== null) sum[name] = Number(sum[name] ?? 0) + value;
  }
  return [...groups].map(([key, sum]) => usageOf(key, sum));
}

function usageOf(key: string, sum: Readonly<Record<string, number | null>>): Usage {
  const of = (name: string) => Number(sum[name] ?? 0);
  return {
    key,
    requests: of('requests'),
    failed: of('failed'),
    promptTokens: of('p'),
    completionTokens: of('c'),
    gpuSeconds: Math.round(of('gpu')) / 1000,
    meanLatencyMs: Math.round(of('latency') / Math.max(1, of('requests'))),
    energyWh: sum.energy === null || sum.energy === undefined ? null : Math.round(sum.energy / 3.6) / 1000,
    lastHourMs: of('last') * 3_600_000,
  };
}

/** When an hour, or the local day it is of, begins. */
function begin(day: boolean, hour: number, offsetMin: number): string {
  const ms = hour * 3_600_000;
  if (!day) return new Date(ms).toISOString();
  return new Date(ms + offsetMin * 60_000).toISOString().slice(0, 10);
}
