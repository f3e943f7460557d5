import type { Clock } from '../clock.ts';
import { parseSince } from '../config/since.ts';
import { parseChoice } from '../config/values.ts';
import { OllanaError } from '../errors.ts';
import type { TracePage, TraceQuery, TraceRow } from '../observe/trace-query.ts';
import { TRACE_STATUSES } from '../observe/trace-row.ts';
import type { Traces } from '../observe/traces.ts';
import { USAGE_KEYS, type Usage } from '../observe/usage-query.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import { logEntry } from './logs-view.ts';
import { QueryText } from './query-text.ts';

export interface TracePathsOptions {
  /** Undefined where nothing is kept. */
  readonly traces: Traces | undefined;
  readonly clock: Clock;
}

/** Rows in one answer: some 500 kB. */
const MOST_ROWS = 1000;
const DAY_MS = 86_400_000;
/** What usage is about unless it is said. */
const USAGE_MS = 30 * DAY_MS;

const FILTERS = [
  'limit',
  'model',
  'server',
  'node_id',
  'status',
  'app',
  'client',
  'since',
  'search',
  'before',
  'after',
];

/**
 * Answers `GET /dashboard/api/traces`, `/dashboard/api/usage`, `/dashboard/api/last-uses`, `/dashboard/api/apps` and `/logs` from what was kept of
 * requests, to programs of this machine only; returns false for all else. Never a prompt: none is kept.
 */
export function tracePaths({ traces, clock }: TracePathsOptions): (exchange: Exchange) => boolean {
  const kept = (): Traces => {
    if (traces) return traces;
    throw new OllanaError(
      'OLLANA_NOT_ALLOWED',
      'nothing is kept of requests here: start ollana without --no-traces',
      {
        status: 404,
      },
    );
  };
  const page = (query: TraceQuery): Promise<TracePage> => kept().ask({ type: 'page', query });
  const answers: Readonly<Record<string, (exchange: Exchange) => Promise<unknown>>> = {
    '/dashboard/api/traces': async ({ target }) => {
      const query = new QueryText(target, [...FILTERS, 'request_id']);
      const { rows, ...rest } = await page({
        requestId: query.text('request_id'),
        ...filtersIn(query, clock.wall()),
      });
      return { traces: rows.map(traceView), ...rest };
    },
    '/logs': async ({ target }) => {
      const query = { ...filtersIn(new QueryText(target, FILTERS), clock.wall()), brief: true };
      return (await page(query)).rows.map(logEntry);
    },
    '/dashboard/api/usage': ({ target }) =>
      usageIn(kept(), new QueryText(target, ['by', 'since']), clock.wall()),
    '/dashboard/api/last-uses': async () => ({ uses: await kept().ask({ type: 'last-uses' }) }),
    '/dashboard/api/apps': async ({ target }) => {
      const { rows, ...rest } = await usageIn(kept(), new QueryText(target, ['since']), clock.wall(), 'app');
      return { ...rest, apps: rows };
    },
  };
  return (exchange) => {
    const path = pathOf(exchange.target);
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined;
    // To other machines there is no such thing; the front says so in Ollama's words.
    if (!answer || !exchange.fromHere) return false;
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      exchange.extraHeaders.push('Allow', 'GET');
      answerJson(exchange, 405, { error: `${path} takes GET` });
      return true;
    }
    const done = async () => answerJson(exchange, 200, await answer(exchange));
    done().catch((error: unknown) => answerError(exchange, error));
    return true;
  };
}

function filtersIn(query: QueryText, wall: number): TraceQuery {
  return {
    model: query.text('model'),
    server: query.text('server', 'node_id'),
    status: query.read('status', parseChoice(TRACE_STATUSES)),
    app: query.text('app'),
    client: query.text('client'),
    since: query.read('since', (text) => parseSince(text, wall)),
    search: query.text('search'),
    before: query.count('before', 0, Number.MAX_SAFE_INTEGER),
    after: query.count('after', 0, Number.MAX_SAFE_INTEGER),
    limit: query.count('limit', 1, MOST_ROWS) ?? 100,
  };
}

async function usageIn(traces: Traces, query: QueryText, wall: number, key?: 'app') {
  const by = key ?? query.read('by', parseChoice(USAGE_KEYS)) ?? 'model';
  const since = query.read('since', (text) => parseSince(text, wall)) ?? wall - USAGE_MS;
  const offsetMin = -new Date(wall).getTimezoneOffset();
  const rows: readonly Usage[] = await traces.ask({ type: 'usage', query: { by, since, offsetMin } });
  return { by, since: new Date(since).toISOString(), rows };
}

/** A row with its scores as what they are. */
function traceView(row: TraceRow): TraceRow {
  const { scores, ...rest } = row;
  return { ...rest, scores: typeof scores === 'string' ? (JSON.parse(scores) as unknown) : [] };
}
