import type { AttemptEndType, ProxyEvent, RequestEnded } from '../proxy/events.ts';
import type { TraceParent } from '../proxy/trace-parent.ts';

/** Values of a span's attributes; undefined: not known, and left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A span that has ended, and those within it. */
export interface EndedSpan {
  readonly name: string;
  /** Asked of us, done here, or asked of a server. */
  readonly kind: 'server' | 'internal' | 'client';
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly end: number;
  readonly isError: boolean;
  readonly attributes: SpanAttributes;
  readonly children: readonly EndedSpan[];
}

/** The spans of a request that has ended, and the client's span that they belong to. */
export interface RequestSpan extends EndedSpan {
  readonly parent: TraceParent | undefined;
}

type AttemptEnded = Extract<ProxyEvent, { readonly type: 'attempt-ended' }>;

/** An attempt, and when it ended, ms since 1970. */
export interface EndedAttempt {
  readonly event: AttemptEnded;
  readonly at: number;
}

/** What the conventions of OpenTelemetry for generative AI call what a route does; `transcription` they do not know. */
const OPERATIONS: Readonly<Record<string, string>> = {
  '/api/chat': 'chat',
  '/v1/chat/completions': 'chat',
  '/v1/responses': 'chat',
  '/v1/messages': 'chat',
  '/api/generate': 'text_completion',
  '/v1/completions': 'text_completion',
  '/api/embed': 'embeddings',
  '/api/embeddings': 'embeddings',
  '/v1/embeddings': 'embeddings',
  '/v1/audio/transcriptions': 'transcription',
};

/** A model's name is the client's text, of any length. */
const MAX_MODEL_CHARS = 256;
/** How attempts end that a server answered as it should, or that another one's end has ended. */
const GOOD_ENDS: ReadonlySet<AttemptEndType> = new Set(['answered', 'lost', 'client-left', 'unsplit']);

/**
 * The spans of a request that ran a model; undefined for what runs none. `now`: ms since 1970. Nothing in them is a word
 * of a prompt, an answer or a header: also no text of an error, which a server may have written. Pure.
 */
export function spanOf(
  event: RequestEnded,
  now: number,
  attempts: readonly EndedAttempt[],
): RequestSpan | undefined {
  const operation = OPERATIONS[event.route];
  if (event.routeClass !== 'inference' || event.model === undefined || operation === undefined)
    return undefined;
  // Another ollana asked for a slot that was free a moment ago; it takes a ticket and comes again.
  if (event.errorCode === 'OLLANA_BUSY') return undefined;
  const model = event.model.slice(0, MAX_MODEL_CHARS);
  const start = now - event.durationMs;
  const { counters, outcome } = event;
  return {
    name: `${operation} ${model}`,
    kind: 'server',
    start,
    end: now,
    // What was wrong with the client's own request is no error of ours: so have it the conventions for HTTP.
    isError: outcome === 'failed' || outcome === 'incomplete',
    parent: event.parent,
    attributes: {
      'gen_ai.operation.name': operation,
      'gen_ai.provider.name': 'ollama',
      'gen_ai.request.model': model,
      'gen_ai.usage.input_tokens': counters?.promptTokens,
      'gen_ai.usage.output_tokens': counters?.outputTokens,
      'gen_ai.usage.cache_read.input_tokens': counters?.cachedTokens,
      'http.request.method': event.method,
      'http.route': event.route,
      'http.response.status_code': event.status,
      'error.type': errorType(event),
      ...addressOf(event.url),
      'ollana.request.id': event.id,
      'ollana.server': event.server,
      'ollana.reason': event.reason,
      'ollana.outcome': outcome,
      'ollana.attempts': event.attempts,
      'ollana.retries': event.retries,
      'ollana.queue_ms': event.queueMs,
      'ollana.first_byte_ms': event.firstByteMs,
      'ollana.cold': event.cold,
    },
    children: childrenOf(event, start, now, attempts),
  };
}

/** The attempts, and the wait before one that is alone: of several, nobody knows which waited how long. */
function childrenOf(
  { queueMs }: RequestEnded,
  from: number,
  to: number,
  attempts: readonly EndedAttempt[],
): readonly EndedSpan[] {
  const spans = attempts.map((attempt) => attemptSpan(attempt, from, to));
  const [first] = spans;
  if (queueMs <= 0 || !first || spans.length > 1) return spans;
  const start = Math.max(from, first.start - queueMs);
  return [
    {
      name: 'queue',
      kind: 'internal',
      start,
      end: first.start,
      isError: false,
      attributes: {},
      children: [],
    },
    first,
  ];
}

/** Of few values, as it is counted by: ollana's code, else the status, else how it ended. */
function errorType({ outcome, errorCode, status }: RequestEnded): string | undefined {
  if (outcome === 'completed' || outcome === 'client-left') return undefined;
  return errorCode ?? (status !== undefined && status >= 400 ? String(status) : outcome);
}

/** Within the request's time: a server that lost a race may take longer to notice. */
function attemptSpan({ event, at }: EndedAttempt, from: number, to: number): EndedSpan {
  const end = Math.max(from, Math.min(at, to));
  const isError = !GOOD_ENDS.has(event.end);
  return {
    name: `attempt ${event.server}`,
    kind: 'client',
    start: Math.min(end, Math.max(from, at - event.durationMs)),
    end,
    isError,
    attributes: {
      'error.type': isError ? event.end : undefined,
      ...addressOf(event.url),
      'ollana.server': event.server,
      'ollana.reason': event.reason,
      'ollana.attempt': event.attempt,
      'ollana.attempt.end': event.end,
    },
    children: [],
  };
}

function addressOf(url: string | undefined): SpanAttributes {
  if (url === undefined || !URL.canParse(url)) return {};
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol === 'https:' ? 443 : 80;
  return {
    'server.address': hostname.replace(/^\[|\]$/g, ''),
    'server.port': port === '' ? usual : Number(port),
  };
}
