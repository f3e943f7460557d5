import { afterEach, describe, expect, it, vi } from 'vitest';
import { otlpOf } from '../src/config/otlp.ts';
import { type EndedAttempt, spanOf } from '../src/observe/otel-span.ts';
import { traceParentOf } from '../src/proxy/trace-parent.ts';
import { type ClusterOptions, deadUrl, startBefore, startCluster, startUpstream } from './_cluster.ts';
import { type Collector, startCollector } from './_collector.ts';
import { until } from './_deadline.ts';
import { requestEnded } from './_observed.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const PROMPT = 'a prompt that nobody else may read';

afterEach(() => vi.unstubAllEnvs());

/** Sets the variables of OpenTelemetry, which its SDK reads itself; returns what ollana makes of them. */
function exportTo(url: string, more: Readonly<Record<string, string>> = {}) {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_BSP_SCHEDULE_DELAY: '20', ...more };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const otlp = otlpOf(process.env);
  return otlp === undefined ? {} : { otlp };
}

const chat = (url: string, model: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${url}/api/chat`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: PROMPT }] }),
  });

async function chatOf(options: ClusterOptions, headers: Readonly<Record<string, string>>) {
  await using cluster = await startCluster(options);
  const model = cluster.view(0).models[0] ?? '';
  const before = Date.now();
  const answer = await chat(cluster.url, model, headers);
  expect(answer.status).toBe(200);
  const lines = (await answer.text()).trim().split('\n');
  const took = Date.now() - before;
  const id = answer.headers.get('x-ollana-request-id');
  return { model, id, before, took, last: JSON.parse(lines.at(-1) ?? '{}'), log: cluster.log };
}

const ofRequest = (collector: Collector) => collector.spans.filter(({ kind }) => kind === 2);

describe('spans of requests', () => {
  it('tell model, tokens, server and times, within the span of the client', async () => {
    await using collector = await startCollector();
    const client = exportTo(collector.url, {
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=secret-of-the-collector',
      OTEL_SERVICE_NAME: 'gateway',
    });
    // What waits is sent at the end of the daemon.
    const { model, id, before, took, last, log } = await chatOf(
      { client },
      { traceparent: `00-${TRACE}-${PARENT}-01`, 'x-secret': 'of-the-client' },
    );
    expect(log.said('spans of requests are exported')).toEqual([{ to: collector.url }]);
    expect(collector.headers[0]).toMatchObject({
      'api-key': 'secret-of-the-collector',
      'content-type': 'application/json',
    });
    const [span, ...others] = ofRequest(collector);
    expect(others).toEqual([]);
    expect(span).toMatchObject({
      traceId: TRACE,
      parentSpanId: PARENT,
      name: `chat ${model}`,
      status: { code: 0 },
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'ollama',
        'gen_ai.request.model': model,
        'gen_ai.usage.input_tokens': last.prompt_eval_count,
        'gen_ai.usage.output_tokens': last.eval_count,
        'http.response.status_code': 200,
        'server.address': '127.0.0.1',
        'ollana.server': 'a',
        'ollana.attempts': 1,
        'ollana.outcome': 'completed',
        'ollana.request.id': id,
      },
      resource: { 'service.name': 'gateway', 'ollana.mode': 'client' },
    });
    expect(span?.attributes).not.toHaveProperty('error.type');
    const [from, to] = [span?.startTimeUnixNano, span?.endTimeUnixNano].map((ns) => Number(ns) / 1e6);
    // The two clocks, of the wall and of durations, may be apart by some milliseconds.
    expect(from).toBeGreaterThan(before - 50);
    expect(to).toBeLessThan(before + took + 50);
    expect(to! - from!).toBeGreaterThan(0);
    const [attempt] = collector.spans.filter(({ kind }) => kind === 3);
    expect(attempt).toMatchObject({
      traceId: TRACE,
      parentSpanId: span?.spanId,
      name: 'attempt a',
      attributes: { 'ollana.attempt': 1, 'ollana.attempt.end': 'answered' },
    });
    const all = collector.bodies.join();
    for (const secret of [
      PROMPT,
      last.message?.content || PROMPT,
      'secret-of-the-collector',
      'of-the-client',
    ])
      expect(all).not.toContain(secret);
  });

  it('begin a trace of their own where the client names none that is valid', async () => {
    await using collector = await startCollector();
    const header = { traceparent: `00-${'0'.repeat(32)}-${PARENT}-01` };
    await chatOf({ client: exportTo(collector.url) }, header);
    const [span] = ofRequest(collector);
    expect(span?.traceId).toMatch(/^(?!0+$)[0-9a-f]{32}$/);
    expect(span).toMatchObject({ resource: { 'service.name': 'ollana' } });
    expect(span?.parentSpanId ?? '').toBe('');
  });

  it('are left out where the client keeps no trace', async () => {
    await using collector = await startCollector();
    await chatOf({ client: exportTo(collector.url) }, { traceparent: `00-${TRACE}-${PARENT}-00` });
    expect(collector.spans).toEqual([]);
  });

  it('tell of a failure and of each attempt, without a word of what the server said', async () => {
    await using collector = await startCollector();
    const broken = () =>
      startUpstream((_request, response) => {
        response.writeHead(500, { 'Content-Type': 'application/json' });
        response.end('{"error":"what a server says"}');
      });
    await using first = await broken();
    await using second = await broken();
    {
      await using all = await startBefore([first.url, second.url], exportTo(collector.url));
      expect((await chat(all.url, 'm')).status).toBe(500);
      // While the daemon runs, too, not only at its end.
      await until(5000, 'the span of the failed request', () => ofRequest(collector).length > 0);
    }
    expect(ofRequest(collector)).toMatchObject([
      {
        name: 'chat m',
        status: { code: 2 },
        attributes: { 'http.response.status_code': 500, 'error.type': '500', 'ollana.outcome': 'failed' },
      },
    ]);
    const attempts = collector.spans.filter(({ kind }) => kind === 3);
    expect(attempts.length).toBe(ofRequest(collector)[0]?.attributes['ollana.attempts']);
    expect(collector.bodies.join()).not.toContain('what a server says');
  });

  it('are of both faces in the trace of the client, where both are told to export', async () => {
    await using collector = await startCollector();
    const both = exportTo(collector.url);
    await chatOf({ client: both, server: both, serve: true }, { traceparent: `00-${TRACE}-${PARENT}-01` });
    const modes = ofRequest(collector).map(({ resource }) => resource['ollana.mode']);
    expect(modes.sort()).toEqual(['client', 'server']);
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  });

  it('are none of lists and probes', async () => {
    await using collector = await startCollector();
    {
      await using cluster = await startCluster({ client: exportTo(collector.url) });
      for (const path of ['/api/tags', '/api/version', '/metrics', '/v1/models'])
        await (await fetch(cluster.url + path)).text();
    }
    expect(collector.bodies).toEqual([]);
  });

  it('hold nothing up when the collector is away, and say so once', async () => {
    const client = exportTo(await deadUrl(), { OTEL_EXPORTER_OTLP_TIMEOUT: '200' });
    const cluster = await startCluster({ client });
    try {
      const model = cluster.view(0).models[0] ?? '';
      const asked = async () => {
        const answer = await chat(cluster.url, model);
        expect(answer.status).toBe(200);
        await answer.text();
      };
      await asked();
      const said = () => cluster.log.said('the collector takes no spans, requests go on');
      await until(5000, 'a warning', () => said().length > 0);
      expect(said()).toMatchObject([{ lost: 2, reason: expect.stringContaining('ECONNREFUSED') }]);
      for (let i = 0; i < 3; i += 1) await asked();
      const since = performance.now();
      // It tries to send what waits, in vain.
      await cluster.client.stop();
      expect(performance.now() - since).toBeLessThan(3000);
      expect(said()).toHaveLength(1);
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
  });

  it('hold the end of the daemon up for two seconds at most when the collector says nothing', async () => {
    await using silent = await startUpstream(() => {});
    const cluster = await startCluster({
      client: exportTo(silent.url, { OTEL_EXPORTER_OTLP_TIMEOUT: '4000' }),
    });
    try {
      await (await chat(cluster.url, cluster.view(0).models[0] ?? '')).text();
      const since = performance.now();
      await cluster.client.stop();
      expect(performance.now() - since).toBeLessThan(3000);
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
  });

  it('are not exported to what is no collector, which is said at the start', async () => {
    const client = exportTo('collector:4317');
    await using cluster = await startCluster({ client });
    await until(2000, 'a warning', () => cluster.log.said('no spans are exported').length > 0);
    expect(cluster.log.said('no spans are exported')[0]?.reason).toContain('OTEL_EXPORTER_OTLP_ENDPOINT');
  });
});

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
