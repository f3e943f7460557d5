import type { RequestEnded } from '../src/proxy/events.ts';

/** What a server tells of a model: one slot, which is free, and nothing learned yet. */
export const LOAD_ROW = {
  slots: 1,
  active: 0,
  queued: 0,
  backlogMs: 0,
  recentMs: 0,
  loaded: true,
  loading: false,
  loadMs: null,
  evictsMs: 0,
  evicts: [],
  decodeMsPerToken: null,
  prefillMsPerToken: null,
  outputTokens: null,
  numCtx: null,
};

/** A chat that went well on the first server asked. */
export function requestEnded(more: Partial<RequestEnded> = {}): RequestEnded {
  return {
    type: 'request-ended',
    id: 'x',
    method: 'POST',
    path: '/api/chat',
    route: '/api/chat',
    routeClass: 'inference',
    client: '127.0.0.1',
    key: undefined,
    app: undefined,
    url: undefined,
    considered: undefined,
    model: 'm',
    isUse: true,
    server: 'a',
    deviceId: 'id-a',
    reason: 'warm',
    status: 200,
    outcome: 'completed',
    error: undefined,
    errorCode: undefined,
    attempts: 1,
    retries: 0,
    changed: undefined,
    queueMs: 0,
    heldMs: 0,
    firstByteMs: 40,
    durationMs: 900,
    bytes: 1000,
    cold: false,
    counters: undefined,
    parent: undefined,
    ...more,
  };
}
