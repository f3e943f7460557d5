import { type KeptRow, TRACE_COLUMNS } from './trace-row.ts';

/** What one hour's requests of one model, server, app and client add up to. '' where nobody told. */
export interface UsageHour {
  /** Hours since 1970. */
  readonly hour: number;
  readonly model: string;
  readonly server: string;
  readonly app: string;
  readonly client: string;
  requests: number;
  failed: number;
  promptTokens: number;
  completionTokens: number;
  gpuMs: number;
  latencyMs: number;
  /** Null where no server tells what it draws. */
  energyJ: number | null;
}

const AT = Object.fromEntries(TRACE_COLUMNS.map((name, at) => [name, at]));

/**
 * Names of apps come from whoever asks: more than these in one transaction, and all further ones are `other`. What comes
 * over the hours is bounded by the number of rows that are kept.
 */
const MAX_GROUPS = 200;

/** The usage of those rows that are use of a model: a pull or an unload is none. Pure. */
export function addUp(rows: readonly KeptRow[]): readonly UsageHour[] {
  const hours = new Map<string, UsageHour>();
  for (const { cells, isUse } of rows) {
    if (!isUse) continue;
    const text = (name: string) => String(cells[AT[name] ?? -1] ?? '');
    const number = (name: string) => Number(cells[AT[name] ?? -1] ?? 0);
    const hour = Math.floor(number('timestamp') / 3600);
    const [model, server, client] = [text('model'), text('node_id'), text('client')];
    const key = (app: string) => JSON.stringify([hour, model, server, app, client]);
    const app = hours.size < MAX_GROUPS || hours.has(key(text('app'))) ? text('app') : 'other';
    const sum = hours.get(key(app)) ?? nothing(hour, model, server, app, client);
    hours.set(key(app), sum);
    sum.requests += 1;
    sum.failed += ['failed', 'incomplete'].includes(text('status')) ? 1 : 0;
    sum.promptTokens += number('prompt_tokens');
    sum.completionTokens += number('completion_tokens');
    sum.gpuMs += number('gpu_ms');
    sum.latencyMs += number('latency_ms');
  }
  return [...hours.values()];
}

function nothing(hour: number, model: string, server: string, app: string, client: string): UsageHour {
  const sums = { requests: 0, failed: 0, promptTokens: 0, completionTokens: 0, gpuMs: 0, latencyMs: 0 };
  return { hour, model, server, app, client, ...sums, energyJ: null };
}
