import { afterEach, describe, expect, it, vi } from 'vitest';
import { otlpOf } from '../src/config/otlp.ts';
import { type ClusterOptions, startBefore, startCluster } from './_cluster.ts';
import { deadUrl, startUpstream } from './_cluster-upstream.ts';
import { type Collector, startCollector } from './_collector.ts';
import { until } from './_deadline.ts';

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
