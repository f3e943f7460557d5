import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { type Clock, systemClock } from '../../src/clock.ts';
import type { TraceQuery } from '../../src/observe/trace-query.ts';
import type { Trace } from '../../src/observe/trace-row.ts';
import { RETENTION } from '../../src/observe/trace-store.ts';
import type { Traces, TracesOptions } from '../../src/observe/traces.ts';
import type { BenchConfig } from './config.ts';
import { modulesOf } from './stale.ts';
import { percentile } from './stats.ts';

/** With the usual five rounds a million requests are replayed. */
const PER_ROUND = 200_000;
/** No more than the daemon would let wait. */
const MOST_WAITING = 5000;
/** Kept in one turn of the loop: a burst such as no fleet has. */
const BURST = 20;
const QUERIES_EACH = 25;
const BOUNDS = { keepMs: 1, queryMs: 100 };

export interface TracesReport {
  readonly requests: number;
  readonly lost: number;
  readonly rowsPerSecond: number;
  /** What one request pays for being kept, ms. */
  readonly keep: { readonly p50: number; readonly p99: number; readonly max: number };
  /** How late the loop was meanwhile, ms. */
  readonly loopP99: number;
  readonly fileBytes: number;
  readonly boundBytes: number;
  readonly queries: Readonly<Record<string, { readonly p50: number; readonly p95: number }>>;
  readonly met: boolean;
}

/** Replays requests into a file of traces, and asks it, with the compiled sources. */
export async function runTraces(config: BenchConfig, tell: (text: string) => void): Promise<TracesReport> {
  const url = pathToFileURL(join(modulesOf(config.dist), 'observe/traces.js')).href;
  const built = (await import(url)) as { Traces: new (options: TracesOptions) => Traces };
  const folder = mkdtempSync(join(tmpdir(), 'ollana-bench-traces-'));
  const clock: Clock = systemClock;
  const say = (message: string, fields?: object) => tell(`${message} ${JSON.stringify(fields ?? {})}`);
  const log = { debug: say, info: say, warn: say, error: say, writes: () => true, flush: () => {} };
  const traces = new built.Traces({ path: join(folder, 'traces.db'), clock, log });
  const requests = PER_ROUND * config.rounds;
  try {
    const loop = monitorEventLoopDelay({ resolution: 1 });
    const keepMs: number[] = [];
    const from = performance.now();
    loop.enable();
    for (let n = 0; n < requests; n += BURST) {
      for (let i = 0; i < BURST; i++) {
        const trace = traceOf(n + i);
        const at = performance.now();
        traces.keep(trace);
        keepMs.push(performance.now() - at);
      }
      if (n % PER_ROUND === 0) tell(`${n} of ${requests} requests`);
      do await new Promise((resolve) => setTimeout(resolve, traces.waiting > MOST_WAITING ? 5 : 0));
      while (traces.waiting > MOST_WAITING);
    }
    while (traces.waiting > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    loop.disable();
    const seconds = (performance.now() - from) / 1000;
    const queries: Record<string, { p50: number; p95: number }> = {};
    for (const [name, query] of Object.entries(QUERIES)) {
      const ms: number[] = [];
      for (let i = 0; i < QUERIES_EACH; i++) {
        const at = performance.now();
        await traces.ask({ type: 'page', query: { limit: 100, ...query(requests - 1 - i * 997) } });
        ms.push(performance.now() - at);
      }
      queries[name] = { p50: percentile(ms, 0.5), p95: percentile(ms, 0.95) };
    }
    const ms: number[] = [];
    for (let i = 0; i < QUERIES_EACH; i++) {
      const at = performance.now();
      await traces.ask({ type: 'usage', query: { by: i % 2 ? 'model' : 'day', since: 0, offsetMin: 0 } });
      ms.push(performance.now() - at);
    }
    queries.usage = { p50: percentile(ms, 0.5), p95: percentile(ms, 0.95) };
    const fileBytes = readdirSync(folder)
      .filter((name) => !name.endsWith('.live') && !name.endsWith('.lock'))
      .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    const keep = {
      p50: percentile(keepMs, 0.5),
      p99: percentile(keepMs, 0.99),
      max: Math.max(...keepMs.slice(0, 100_000)),
    };
    const worst = Math.max(...Object.values(queries).map(({ p95 }) => p95));
    return {
      requests,
      lost: traces.lost,
      rowsPerSecond: Math.round(requests / seconds),
      keep,
      loopP99: loop.percentile(99) / 1e6,
      fileBytes,
      boundBytes: RETENTION.maxBytes,
      queries,
      met:
        fileBytes < RETENTION.maxBytes &&
        keep.p99 < BOUNDS.keepMs &&
        worst < BOUNDS.queryMs &&
        traces.lost === 0,
    };
  } finally {
    await traces[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The report as text. Pure. */
export function tracesText(report: TracesReport): string {
  const { requests, lost, rowsPerSecond, keep, loopP99, fileBytes, boundBytes, queries, met } = report;
  const mb = (bytes: number) => (bytes / 1024 / 1024).toFixed(0);
  return [
    `${requests} requests kept, ${lost} lost, ${rowsPerSecond} a second; file ${mb(fileBytes)} MB of ${mb(boundBytes)}`,
    `one request pays p50 ${keep.p50.toFixed(4)} ms   p99 ${keep.p99.toFixed(4)} ms   max ${keep.max.toFixed(2)} ms; loop late p99 ${loopP99.toFixed(2)} ms`,
    ...Object.entries(queries).map(
      ([name, { p50, p95 }]) => `${name.padEnd(28)} p50 ${p50.toFixed(1)} ms   p95 ${p95.toFixed(1)} ms`,
    ),
    `${met ? 'met' : 'NOT met'}: file below its bound, p99 below ${BOUNDS.keepMs} ms, queries' p95 below ${BOUNDS.queryMs} ms, nothing lost`,
  ].join('\n');
}

const QUERIES: Readonly<Record<string, (n: number) => Partial<TraceQuery>>> = {
  newest: () => ({}),
  'one model': (n) => ({ model: modelOf(n) }),
  failed: () => ({ status: 'failed' }),
  'one model, server and app': (n) => ({ model: modelOf(n), server: serverOf(n + 1), app: appOf(n) }),
  'one request': (n) => ({ requestId: idOf(n) }),
  'words that are nowhere': () => ({ search: 'no such words' }),
};

const modelOf = (n: number): string => `llama3.${n % 17}:8b`;
const serverOf = (n: number): string => `gpu-${n % 7}`;
const appOf = (n: number): string => `app-${n % 11}`;
const idOf = (n: number): string =>
  `${((n * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0')}-0000-4000-8000-${String(n).padStart(12, '0')}`;

function traceOf(n: number): Trace {
  const isFailed = n % 50 === 0;
  return {
    requestId: idOf(n),
    at: systemClock.wall(),
    model: modelOf(n),
    isUse: true,
    server: serverOf(n),
    serverUrl: 'http://192.168.1.7:11435',
    status: isFailed ? 'failed' : 'completed',
    latencyMs: 4321.7,
    ttftMs: 210.3,
    queueMs: 12.5,
    promptTokens: 1000 + (n % 500),
    completionTokens: 200 + (n % 100),
    gpuMs: 4000,
    retries: isFailed ? 1 : 0,
    error: isFailed ? 'gpu-3 broke off: socket hang up' : undefined,
    app: appOf(n),
    client: `192.168.1.${n % 30}`,
    method: 'POST',
    path: '/api/chat',
    httpStatus: isFailed ? 502 : 200,
    reason: 'loaded idle',
    changed: undefined,
    scores: Array.from({ length: 4 }, (_, i) => ({
      server: serverOf(n + i),
      finishMs: 4000 + 517 * i,
      waitMs: 0,
      loadMs: 0,
      runMs: 4000 + 517 * i,
      warm: i < 2,
      free: i === 0,
      tier: 0,
      chosen: i === 0,
    })),
  };
}
