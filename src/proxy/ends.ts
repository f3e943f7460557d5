import type { Protocol } from '../ollama/routes.ts';

/** How an answer is framed inside its body. */
export type Framing = 'ndjson' | 'sse' | 'none';

/** The framing that a Content-Type announces. Pure. */
export function framingOf(contentType: string | undefined): Framing {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  if (type === 'application/x-ndjson') return 'ndjson';
  return type === 'text/event-stream' ? 'sse' : 'none';
}

/**
 * How a stream ended that closed without a transport error. `complete`: with its terminal marker. `told`: with
 * an error that the server itself wrote. `missing`: neither, so the client would take a part for the whole:
 * Ollama ends /v1 streams like that when its runner dies.
 */
export type StreamEnd = 'complete' | 'told' | 'missing';

/**
 * Judges the end of a stream by its last bytes: at least 8 kB of it, or all. `tail` beginning in mid-line is
 * fine. Pure.
 */
export function judgeEnd(framing: Framing, protocol: Protocol, tail: string): StreamEnd {
  if (framing === 'none') return 'complete';
  return framing === 'ndjson' ? judgeLines(tail) : judgeEvents(protocol, tail);
}

/**
 * Whether a body of this Content-Type, whose last bytes are `tail`, is the beginning of a JSON object only: all that
 * run a model and do not stream answer with one. Pure.
 */
export function isHalfJson(contentType: string | undefined, tail: string): boolean {
  if (!/^application\/json\b/i.test(contentType ?? '')) return false;
  const end = tail.trimEnd();
  // Of blanks without end nobody knows what they follow.
  return end === '' ? tail === '' : !end.endsWith('}');
}

function judgeLines(tail: string): StreamEnd {
  const lines = tail.trimEnd();
  const line = lines.slice(lines.lastIndexOf('\n') + 1);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // Only a last line with a long `context` does not fit: its counters come after it.
    return /"(total_duration|eval_count)":\d+[^{}[\]]*\}$/.test(line) ? 'complete' : 'missing';
  }
  const { done, status, error } = (value ?? {}) as Record<string, unknown>;
  if (error !== undefined) return 'told';
  return done === true || status === 'success' ? 'complete' : 'missing';
}

/** Last events by which each protocol ends, by the name in their `event:` line. */
const LAST_EVENTS: Readonly<Record<string, StreamEnd>> = {
  message_stop: 'complete',
  error: 'told',
  'response.completed': 'complete',
  'response.incomplete': 'complete',
  'response.failed': 'told',
};

function judgeEvents(protocol: Protocol, tail: string): StreamEnd {
  const blocks = tail.trimEnd().split(/\r?\n\r?\n/);
  const last = blocks[blocks.length - 1] ?? '';
  const name = /^event:[ ]?(.*)$/m.exec(last)?.[1]?.trim();
  if (name !== undefined) return LAST_EVENTS[name] ?? 'missing';
  const data = /^data:[ ]?(.*)$/m.exec(last)?.[1]?.trim();
  if (data === '[DONE]') return 'complete';
  if (data?.startsWith('{"error"')) return 'told';
  // An event too long for the tail is the one that repeats the whole answer.
  return protocol === 'responses' && blocks.length === 1 && data === undefined && last.endsWith('}')
    ? 'complete'
    : 'missing';
}

/** Where in a stream its last byte stands: between two messages, at the end of a line of one, or within a line. */
export type Standing = 'between' | 'line' | 'within';

/** Where a stream stands whose last bytes are these; two are enough for a line end of LF, three for CRLF. Pure. */
export function standingOf(framing: Framing, last: string): Standing {
  if (last === '' || /\n\r?\n$/.test(last)) return 'between';
  if (!last.endsWith('\n')) return 'within';
  return framing === 'sse' ? 'line' : 'between';
}

/**
 * The bytes that tell a client, in its protocol, that the stream broke off where it stands: what had begun is ended
 * first, so that it does not run into the error. Empty where the framing has no place for it. Pure.
 */
export function errorEnd(framing: Framing, protocol: Protocol, message: string, at: Standing): string {
  if (framing === 'ndjson') return `${at === 'within' ? '\n' : ''}${JSON.stringify({ error: message })}\n`;
  if (framing !== 'sse') return '';
  const gap = { between: '', line: '\n', within: '\n\n' }[at];
  const event = errorEvent(protocol, message);
  const name = protocol === 'openai' ? '' : `event: ${event.type}\n`;
  return `${gap}${name}data: ${JSON.stringify(event.data)}\n\n`;
}

function errorEvent(protocol: Protocol, message: string): { type: string; data: unknown } {
  if (protocol === 'anthropic') {
    return { type: 'error', data: { type: 'error', error: { type: 'api_error', message } } };
  }
  if (protocol === 'responses') {
    const response = { object: 'response', status: 'failed', error: { code: 'server_error', message } };
    return { type: 'response.failed', data: { type: 'response.failed', response } };
  }
  return { type: 'error', data: { error: { message, type: 'api_error', param: null, code: null } } };
}
