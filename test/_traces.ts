import { keptRow, type Trace } from '../src/observe/trace-row.ts';

/** A trace like those of a working day; `at` is ms since 1970. */
export function aTrace(n: number, more: Partial<Trace> = {}): Trace {
  const id = n.toString(16).padStart(8, '0');
  return {
    requestId: `${id}-0000-4000-8000-000000000000`,
    at: Date.now(),
    model: `llama3.2:${n % 3}`,
    isUse: true,
    server: ['attic', 'cellar'][n % 2],
    serverUrl: 'http://10.0.0.7:11435',
    status: n % 10 === 0 ? 'failed' : 'completed',
    latencyMs: 1234.5,
    ttftMs: 100,
    queueMs: 0,
    promptTokens: 300,
    completionTokens: 100,
    gpuMs: 1000,
    retries: 0,
    error: n % 10 === 0 ? 'it broke' : undefined,
    app: `app-${n % 4}`,
    client: '127.0.0.1',
    method: 'POST',
    path: '/api/chat',
    httpStatus: 200,
    reason: 'loaded idle',
    changed: undefined,
    scores: ['attic', 'cellar', 'loft', 'shed'].map((server, i) => ({
      server,
      finishMs: 1000 * i,
      waitMs: 0,
      loadMs: 0,
      runMs: 1000,
      warm: true,
      free: true,
      tier: 0,
      chosen: i === 0,
    })),
    ...more,
  };
}

export const row = (n: number, more: Partial<Trace> = {}) => keptRow(aTrace(n, more));
