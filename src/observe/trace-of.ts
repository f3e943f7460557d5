import type { RequestEnded } from '../proxy/events.ts';
import type { Trace, TraceStatus } from './trace-row.ts';

/**
 * What is kept of a request that has ended; undefined for what runs no model: lists, probes and ollana's own paths, of
 * which every open page makes thousands. `wall` is now, ms since 1970. Pure.
 */
export function traceOf(event: RequestEnded, wall: number): Trace | undefined {
  const { model, counters, status } = event;
  if (model === undefined || event.routeClass === 'aggregate' || event.routeClass === 'holder')
    return undefined;
  // Another ollana asked for a slot that was free a moment ago; it takes a ticket and comes again.
  if (event.errorCode === 'OLLANA_BUSY') return undefined;
  const gpuMs = (counters?.promptMs ?? 0) + (counters?.outputMs ?? 0);
  return {
    requestId: event.id,
    at: wall - event.durationMs,
    model,
    isUse: event.isUse,
    server: event.server,
    serverUrl: event.url,
    status: statusOf(event),
    latencyMs: event.durationMs,
    ttftMs: event.firstByteMs,
    queueMs: event.queueMs,
    promptTokens: counters?.promptTokens,
    completionTokens: counters?.outputTokens,
    gpuMs: gpuMs > 0 ? gpuMs : undefined,
    retries: event.retries,
    error:
      event.error ?? (status !== undefined && status >= 400 ? `the server answered ${status}` : undefined),
    app: event.app,
    client: event.client,
    method: event.method,
    path: event.path,
    httpStatus: status,
    reason: event.reason,
    changed: event.changed,
    scores: (event.considered ?? []).map((one) => ({ ...one })),
  };
}

function statusOf({ outcome, status, retries }: RequestEnded): TraceStatus {
  if (outcome === 'client-left') return 'client_disconnected';
  if (outcome === 'incomplete') return 'incomplete';
  if (outcome === 'refused') return 'refused';
  if (outcome !== 'completed' || (status !== undefined && status >= 400)) return 'failed';
  return retries > 0 ? 'retried' : 'completed';
}
