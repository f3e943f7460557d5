import { describe, expect, it } from 'vitest';
import { otlpOf } from '../src/config/otlp.ts';
import { type EndedAttempt, spanOf } from '../src/observe/otel-span.ts';
import { traceParentOf } from '../src/proxy/trace-parent.ts';
import { requestEnded } from './_observed.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

describe('what a span tells', () => {
  const NOW = 1_800_000_000_000;
  const attempt = (number: number, durationMs: number, at = NOW): EndedAttempt => ({
    at,
    event: {
      type: 'attempt-ended',
      id: 'x',
      attempt: number,
      model: 'm',
      server: 'a',
      deviceId: 'id-a',
      url: 'https://[fd00::7]:8443/ollama',
      reason: 'warm',
      outcome: { type: 'ok' } as never,
      end: 'answered',
      durationMs,
    },
  });

  it.each([
    { route: '/api/chat', name: 'chat m' },
    { route: '/v1/messages', name: 'chat m' },
    { route: '/v1/responses', name: 'chat m' },
    { route: '/api/generate', name: 'text_completion m' },
    { route: '/v1/completions', name: 'text_completion m' },
    { route: '/api/embed', name: 'embeddings m' },
    { route: '/v1/embeddings', name: 'embeddings m' },
    { route: '/v1/audio/transcriptions', name: 'transcription m' },
  ])('$route is $name', ({ route, name }) => {
    expect(spanOf(requestEnded({ route }), NOW, [])?.name).toBe(name);
  });

  it.each([
    { what: 'a pull', more: { route: '/api/pull', routeClass: 'pinned' as const } },
    { what: 'no model', more: { model: undefined } },
    { what: 'a slot that was taken', more: { errorCode: 'OLLANA_BUSY' as const } },
  ])('nothing of $what', ({ more }) => {
    expect(spanOf(requestEnded(more), NOW, [])).toBeUndefined();
  });

  it('the wait before the attempt, within the time of the request', () => {
    const span = spanOf(requestEnded({ durationMs: 900, queueMs: 300 }), NOW, [attempt(1, 500)]);
    expect(span).toMatchObject({ start: NOW - 900, end: NOW });
    expect(span?.children).toMatchObject([
      { name: 'queue', kind: 'internal', start: NOW - 800, end: NOW - 500 },
      {
        ...{ name: 'attempt a', kind: 'client', start: NOW - 500, end: NOW },
        attributes: { 'server.address': 'fd00::7', 'server.port': 8443 },
      },
    ]);
    const two = spanOf(requestEnded({ queueMs: 300 }), NOW, [attempt(1, 5000, NOW - 400), attempt(2, 100)]);
    expect(two?.children.map(({ name, start, end }) => [name, start - NOW, end - NOW])).toEqual([
      ['attempt a', -900, -400],
      ['attempt a', -100, 0],
    ]);
  });

  it.each([
    { what: 'completed', more: {}, type: undefined, isError: false },
    {
      ...{ what: 'not found', type: '404', isError: false },
      more: { outcome: 'refused' as const, status: 404 },
    },
    {
      ...{ what: 'no server', type: 'OLLANA_NO_SERVER', isError: true },
      more: { outcome: 'failed' as const, status: 503, errorCode: 'OLLANA_NO_SERVER' as const },
    },
    { what: 'broken off', more: { outcome: 'incomplete' as const }, type: 'incomplete', isError: true },
    {
      ...{ what: 'client gone', type: undefined, isError: false },
      more: { outcome: 'client-left' as const, status: undefined },
    },
  ])('the error of what is $what', ({ more, type, isError }) => {
    const span = spanOf(requestEnded(more), NOW, []);
    expect(span?.attributes['error.type']).toBe(type);
    expect(span?.isError).toBe(isError);
  });

  it('a model of any length, cut', () => {
    expect(spanOf(requestEnded({ model: 'x'.repeat(100_000) }), NOW, [])?.name.length).toBeLessThan(300);
  });
});

describe('the variables', () => {
  const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:secret@otel.example:4318/x?key=secret' };

  it.each([
    { what: 'nothing is set', env: {}, type: undefined },
    { what: 'only headers are', env: { OTEL_EXPORTER_OTLP_HEADERS: 'a=b' }, type: undefined },
    { what: 'an empty endpoint', env: { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, type: undefined },
    { what: 'an endpoint', env: ENDPOINT, type: 'on' },
    { what: 'one for traces', env: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://h/v1/traces' }, type: 'on' },
    { what: 'the SDK is disabled', env: { ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }, type: undefined },
    { what: 'no exporter of traces', env: { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }, type: undefined },
    { what: 'gRPC', env: { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, type: 'unusable' },
    { what: 'no URL', env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'nowhere' }, type: 'unusable' },
    { what: 'another scheme', env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'unix:///run/otel' }, type: 'unusable' },
  ])('$what', ({ env, type }) => {
    expect(otlpOf(env)?.type).toBe(type);
  });

  it('keep what is secret in the endpoint out of the log', () => {
    expect(otlpOf(ENDPOINT)).toEqual({ type: 'on', origin: 'https://otel.example:4318' });
  });
});

describe('a traceparent header', () => {
  const valid = `00-${TRACE}-${PARENT}-01`;

  it.each([
    { header: valid, parent: { traceId: TRACE, spanId: PARENT, isSampled: true } },
    { header: `00-${TRACE}-${PARENT}-02`, parent: { traceId: TRACE, spanId: PARENT, isSampled: false } },
    { header: `cc-${TRACE}-${PARENT}-01-more`, parent: { traceId: TRACE, spanId: PARENT, isSampled: true } },
    { header: `${valid}-more`, parent: undefined },
    { header: `ff-${TRACE}-${PARENT}-01`, parent: undefined },
    { header: `00-${TRACE.toUpperCase()}-${PARENT}-01`, parent: undefined },
    { header: `00-${TRACE}-${'0'.repeat(16)}-01`, parent: undefined },
    { header: `${valid}, ${valid}`, parent: undefined },
    { header: `cc-${TRACE}-${PARENT}-01-${'x'.repeat(10_000)}`, parent: undefined },
    { header: '', parent: undefined },
    { header: undefined, parent: undefined },
  ])('$header', ({ header, parent }) => {
    expect(traceParentOf(header)).toEqual(parent);
  });
});
