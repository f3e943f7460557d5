import { describe, expect, it } from 'vitest';
import type { Protocol, RouteClass } from '../src/ollama/routes.ts';
import {
  errorEnd,
  type Framing,
  framingOf,
  isHalfJson,
  judgeEnd,
  type Standing,
  type StreamEnd,
  standingOf,
} from '../src/proxy/ends.ts';
import { errorBody } from '../src/proxy/error-answer.ts';
import { answerHeaders, forwardHeaders, headerText } from '../src/proxy/headers.ts';
import { lowestVersion } from '../src/proxy/merge.ts';
import { type AttemptFacts, isRepeatable, nextStep } from '../src/proxy/retry.ts';
import { Tail } from '../src/proxy/tail.ts';

it.each([
  ['application/json', '{"done":true}\n', false],
  ['application/json; charset=utf-8', '{"model":"m","mess', true],
  ['application/json', '', true],
  // Blanks after an answer of which the beginning is not kept.
  ['application/json', '   ', false],
  ['text/plain', 'hel', false],
  [undefined, 'hel', false],
])('of %s, %j is half of JSON: %s', (contentType, tail, is) => {
  expect(isHalfJson(contentType, tail)).toBe(is);
});

describe('what follows an attempt', () => {
  const facts: AttemptFacts = {
    routeClass: 'inference',
    method: 'POST',
    stage: 'answered',
    status: 200,
    replayable: true,
    listed: true,
  };
  const answered = (status: number, more: Partial<AttemptFacts> = {}) => ({ ...facts, status, ...more });
  const unanswered = (stage: 'dial' | 'sent', more: Partial<AttemptFacts> = {}) => ({
    ...facts,
    stage,
    status: undefined,
    ...more,
  });

  it.each([
    ['elsewhere', 'nothing was sent', unanswered('dial')],
    ['elsewhere', 'nothing was sent of management', unanswered('dial', { routeClass: 'pinned' })],
    ['elsewhere', 'nothing was sent of a body that streams', unanswered('dial', { replayable: false })],
    ['elsewhere', 'no answer came', unanswered('sent')],
    ['fail', 'no answer came to management', unanswered('sent', { routeClass: 'pinned' })],
    ['fail', 'no answer came to an account’s request', unanswered('sent', { routeClass: 'identity' })],
    ['fail', 'no answer came and the body is gone', unanswered('sent', { replayable: false })],
    ['fail', 'no answer came to an unknown POST', unanswered('sent', { routeClass: 'unknown' })],
    [
      'elsewhere',
      'no answer came to an unknown GET',
      unanswered('sent', { routeClass: 'unknown', method: 'GET' }),
    ],
    [
      'elsewhere',
      'no answer came to a liveness check',
      unanswered('sent', { routeClass: 'liveness', method: 'GET' }),
    ],
    ...[500, 502, 503, 504].map((status) => ['elsewhere', `it was ${status}`, answered(status)] as const),
    ...[500, 503].map(
      (status) =>
        ['pass', `it was ${status} to management`, answered(status, { routeClass: 'pinned' })] as const,
    ),
    ['pass', 'it was 503 and the body is gone', answered(503, { replayable: false })],
    ...[200, 204, 301, 307, 400, 401, 403, 405, 413, 429, 499, 501, 505].map(
      (status) => ['pass', `it was ${status}`, answered(status)] as const,
    ),
    ['elsewhere', 'it was 404 against our list', answered(404)],
    ['pass', 'it was 404 and our list agrees', answered(404, { listed: false })],
    ['elsewhere', 'it was 404 for show, against our list', answered(404, { routeClass: 'holder' })],
    ['pass', 'it was 404 to management', answered(404, { routeClass: 'pinned' })],
  ] as const)('%s when %s', (step, _when, input) => {
    expect(nextStep(input)).toBe(step);
  });

  it.each<[RouteClass, string, boolean]>([
    ['inference', 'POST', true],
    ['holder', 'POST', true],
    ['aggregate', 'GET', true],
    ['liveness', 'HEAD', true],
    ['broadcast', 'DELETE', false],
    ['pinned', 'HEAD', false],
    ['identity', 'POST', false],
    ['unknown', 'GET', true],
    ['unknown', 'HEAD', true],
    ['unknown', 'POST', false],
    ['unknown', 'DELETE', false],
  ])('%s %s may be repeated: %s', (routeClass, method, is) => {
    expect(isRepeatable({ routeClass, method, replayable: true })).toBe(is);
    expect(isRepeatable({ routeClass, method, replayable: false })).toBe(false);
  });
});

describe('the end of a stream', () => {
  const line = '{"model":"m","response":"x","done":false}\n';
  const last = '{"model":"m","response":"","done":true,"done_reason":"stop","eval_count":3}';
  const delta = 'data: {"choices":[{"delta":{"content":"x"}}]}\n\n';
  const named = (name: string) => `event: ${name}\ndata: {"type":"${name}"}\n\n`;

  it.each<[string, Framing, Protocol, string, StreamEnd]>([
    ['its last line', 'ndjson', 'ollama', `${line}${last}\n`, 'complete'],
    ['its last line without line end', 'ndjson', 'ollama', `${line}${last}`, 'complete'],
    [
      'a last line of which only the end was kept',
      'ndjson',
      'ollama',
      '1,2,3],"total_duration":5,"eval_count":3}\n',
      'complete',
    ],
    ['a pull’s success', 'ndjson', 'ollama', '{"status":"verifying"}\n{"status":"success"}\n', 'complete'],
    ['the server’s own error', 'ndjson', 'ollama', `${line}{"error":"died"}\n`, 'told'],
    ['a line in the middle', 'ndjson', 'ollama', line, 'missing'],
    ['half a line', 'ndjson', 'ollama', `${line}{"model":"m","resp`, 'missing'],
    ['nothing', 'ndjson', 'ollama', '', 'missing'],
    [
      'words that only look like the end',
      'ndjson',
      'ollama',
      '{"response":"\\"done\\":true","done":false}\n',
      'missing',
    ],
    ['a pull’s progress', 'ndjson', 'ollama', '{"status":"pulling","total":5}\n', 'missing'],
    ['[DONE]', 'sse', 'openai', `${delta}data: [DONE]\n\n`, 'complete'],
    ['[DONE] with CRLF', 'sse', 'openai', 'data: {"x":1}\r\n\r\ndata: [DONE]\r\n\r\n', 'complete'],
    ['OpenAI’s error', 'sse', 'openai', `${delta}data: {"error":{"message":"x"}}\n\n`, 'told'],
    ['a delta', 'sse', 'openai', delta, 'missing'],
    [
      '[DONE] as words',
      'sse',
      'openai',
      'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n',
      'missing',
    ],
    ['message_stop', 'sse', 'anthropic', named('message_delta') + named('message_stop'), 'complete'],
    ['Anthropic’s error', 'sse', 'anthropic', named('error'), 'told'],
    ['message_delta', 'sse', 'anthropic', named('message_delta'), 'missing'],
    ['response.completed', 'sse', 'responses', named('response.completed'), 'complete'],
    ['response.incomplete', 'sse', 'responses', named('response.incomplete'), 'complete'],
    ['response.failed', 'sse', 'responses', named('response.failed'), 'told'],
    ['response.output_text.delta', 'sse', 'responses', named('response.output_text.delta'), 'missing'],
    ['anything', 'none', 'ollama', 'whatever', 'complete'],
  ])('with %s (%s, %s)', (_what, framing, protocol, tail, is) => {
    expect(judgeEnd(framing, protocol, tail)).toBe(is);
  });

  it.each([
    ['application/x-ndjson', 'ndjson'],
    ['application/x-ndjson; charset=utf-8', 'ndjson'],
    ['Text/Event-Stream;charset=utf-8', 'sse'],
    ['application/json', 'none'],
    [undefined, 'none'],
  ])('is told by the type %s: %s', (type, framing) => {
    expect(framingOf(type)).toBe(framing);
  });

  it.each<[Framing, Protocol, Standing, string]>([
    ['ndjson', 'ollama', 'between', '{"error":"a \\"b\\""}\n'],
    ['ndjson', 'ollama', 'within', '\n{"error":"a \\"b\\""}\n'],
    [
      'sse',
      'openai',
      'between',
      'data: {"error":{"message":"a \\"b\\"","type":"api_error","param":null,"code":null}}\n\n',
    ],
    [
      'sse',
      'anthropic',
      'between',
      'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"a \\"b\\""}}\n\n',
    ],
    ['none', 'ollama', 'within', ''],
  ])('is given to a %s client of %s (%s)', (framing, protocol, at, text) => {
    expect(errorEnd(framing, protocol, 'a "b"', at)).toBe(text);
  });

  it('is an event of its own even when a line was open', () => {
    expect(errorEnd('sse', 'openai', 'x', standingOf('sse', 'data: {"a')).startsWith('\n\ndata: ')).toBe(
      true,
    );
    // The lines of one event would become one text.
    expect(errorEnd('sse', 'openai', 'x', standingOf('sse', 'data: {}\n')).startsWith('\ndata: ')).toBe(true);
    expect(standingOf('sse', 'data: {}\r\n\r\n')).toBe('between');
    const failed = errorEnd('sse', 'responses', 'x', 'between');
    expect(failed.startsWith('event: response.failed\ndata: ')).toBe(true);
    expect(judgeEnd('sse', 'responses', failed)).toBe('told');
  });

  it('is kept to a few kilobytes, however long the stream', () => {
    const tail = new Tail();
    for (let i = 0; i < 100_000; i += 1) tail.push(Buffer.from(`{"n":${i}}\n`));
    expect(tail.text().length).toBeGreaterThan(8000);
    expect(tail.text().length).toBeLessThan(17_000);
    expect(tail.text().endsWith('{"n":99999}\n')).toBe(true);
    expect(tail.end.endsWith('\n')).toBe(true);
    tail.push(Buffer.from('{"half'));
    expect(tail.end.endsWith('\n')).toBe(false);
  });
});

describe('headers', () => {
  it.each([
    { what: 'case and order stay', raw: ['X-A', '1', 'x-B', '2'], is: { 'X-A': '1', 'x-B': '2' } },
    { what: 'duplicates stay', raw: ['X-A', '1', 'x-a', '2'], is: { 'X-A': ['1', '2'] } },
    { what: 'Host and Origin go', raw: ['Host', 'x', 'Origin', 'http://y'], is: {} },
    {
      what: 'hop-by-hop goes',
      raw: ['Transfer-Encoding', 'chunked', 'TE', 'x', 'Upgrade', 'h2c', 'Expect', 'y'],
      is: {},
    },
    {
      what: 'what Connection names goes',
      raw: ['Connection', 'close, X-A', 'x-a', '1', 'X-B', '2'],
      is: { 'X-B': '2' },
    },
    {
      what: 'how it came to us ends here',
      raw: ['X-Ollana-Grant', 'g', 'X-Ollana-Other', 'o'],
      is: { 'X-Ollana-Other': 'o' },
    },
  ])('to a server: $what', ({ raw, is }) => {
    const headers = forwardHeaders(raw, { host: 'h:1', via: '1.1 me', contentLength: undefined });
    expect({ ...headers }).toEqual({ ...is, host: 'h:1', via: '1.1 me' });
  });

  it('to a server: one length, the true one', () => {
    const options = { host: 'h', via: 'v' };
    expect(forwardHeaders(['Content-Length', '5'], { ...options, contentLength: 5 })['content-length']).toBe(
      '5',
    );
    expect(
      forwardHeaders(['Content-Length', '5'], { ...options, contentLength: undefined })['content-length'],
    ).toBe('5');
    expect(forwardHeaders([], { ...options, contentLength: 7 })['content-length']).toBe('7');
    expect(forwardHeaders(['Via', 'a', 'Via', 'b'], { ...options, contentLength: 0 }).via).toBe('a, b, v');
  });

  it('to the client: as they came, less those of the connection and forged ones of ours', () => {
    const raw = [
      'Set-Cookie',
      'a',
      'Set-Cookie',
      'b',
      'Connection',
      'close',
      'X-OLLANA-Server',
      'no',
      'Trailer',
      'x',
    ];
    expect(answerHeaders(raw, ['X-Ollana-Server', 'yes'])).toEqual([
      ...['Set-Cookie', 'a', 'Set-Cookie', 'b', 'X-Ollana-Server', 'yes'],
    ]);
  });

  it('carry only printable text of bounded length', () => {
    expect(headerText('gpu é\r\nX-Evil: 1\0')).toBe('gpu ???X-Evil: 1?');
    expect(headerText('x'.repeat(1000))).toHaveLength(200);
  });
});

describe('ollana’s own errors', () => {
  it.each<[Protocol, number, unknown]>([
    ['ollama', 503, { error: 'm' }],
    ['openai', 404, { error: { message: 'm', type: 'not_found_error', param: null, code: null } }],
    ['openai', 400, { error: { message: 'm', type: 'invalid_request_error', param: null, code: null } }],
    ['responses', 502, { error: { message: 'm', type: 'api_error', param: null, code: null } }],
    ['anthropic', 503, { type: 'error', error: { type: 'overloaded_error', message: 'm' }, request_id: 'r' }],
    ['anthropic', 403, { type: 'error', error: { type: 'permission_error', message: 'm' }, request_id: 'r' }],
  ])('have the shape of %s (%i)', (protocol, status, body) => {
    expect(JSON.parse(errorBody(protocol, status, 'm', 'r'))).toEqual(body);
  });
});

describe('the lowest version', () => {
  it.each([
    [['0.17.10', '0.17.9'], '0.17.9'],
    [['0.9.0', '0.17.0'], '0.9.0'],
    [['0.33.0', '0.33.0-rc2'], '0.33.0'],
    [[], undefined],
  ])('of %j is %s', (versions, lowest) => {
    const found = lowestVersion(versions);
    // A release candidate sorts behind its release; both say the same to a client.
    expect(found).toBe(lowest);
  });
});
