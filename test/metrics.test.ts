import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../src/clock.ts';
import { serverLoad } from '../src/fleet/load.ts';
import type { ServerFacts } from '../src/fleet/pool.ts';
import type { ObservedEvent } from '../src/observe/event-stream.ts';
import { LateMetrics } from '../src/observe/late-metrics.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { modelKey, shownModel } from '../src/ollama/names.ts';
import { ROUTE_NAMES, routeName, routeOf } from '../src/ollama/routes.ts';
import type { RequestEnded } from '../src/proxy/events.ts';
import { startCluster } from './_cluster.ts';
import { TestLog } from './_cluster-config.ts';
import { until } from './_deadline.ts';
import { type HandClock, handClock } from './_hand-clock.ts';
import { type Samples, samplesOf, scrape } from './_metrics.ts';
import { LOAD_ROW, requestEnded } from './_observed.ts';

const LOAD = { ...LOAD_ROW, slots: 4, active: 2, queued: 1, backlogMs: 10 };

function facts(name: string, models: readonly string[]): ServerFacts {
  const keys = new Set(models.map(modelKey));
  return {
    deviceId: name,
    name,
    url: `http://${name}:1`,
    kind: 'ollana',
    sources: [],
    verdict: { state: 'reliable', sinceMs: 0 },
    version: '0',
    tags: [],
    ps: [],
    modelKeys: keys,
    loadedKeys: keys,
    load: serverLoad(Object.fromEntries([...keys].map((key) => [key, LOAD]))),
    allowsManage: false,
    freeMemoryBytes: undefined,
    latencyMs: 1,
  };
}

function metricsOf(servers: readonly ServerFacts[]): Metrics {
  return new Metrics({
    clock: systemClock,
    version: '1.2.3',
    mode: 'client',
    servers: () => servers,
    loads: () => servers.flatMap(({ load }) => load ?? []),
  });
}

const ended = (changes: Partial<RequestEnded>): RequestEnded =>
  requestEnded({ model: 'llama3', server: 'attic', deviceId: 'attic', ...changes });

describe('metrics that are loaded late', () => {
  const lateOf = (clock: Clock) =>
    new LateMetrics({
      clock,
      log: new TestLog(),
      version: '1',
      mode: 'client',
      servers: () => [],
      loads: () => [],
    });

  it.each([
    ['are asked for', () => {}],
    ['have been loaded by themselves', (clock: HandClock) => clock.pass(1000)],
  ])('have counted all since the start when they %s', async (_, before) => {
    const clock = handClock();
    using late = lateOf(clock);
    for (let i = 0; i < 3; i += 1) late.count(ended({}));
    before(clock);
    late.count(ended({}));
    await late.text();
    late.count(ended({}));
    clock.pass(1000);
    expect(samplesOf(await late.text()).sum('ollana_requests_total', {})).toBe(5);
    expect(late.contentType).toMatch(/^text\/plain/);
  });
});

async function counted(metrics: Metrics, events: readonly ObservedEvent[]): Promise<Samples> {
  for (const event of events) metrics.count(event);
  return samplesOf(await metrics.text());
}

describe('metrics', () => {
  it('count requests by route, model, server and outcome, in seconds and tokens', async () => {
    const counters = { promptTokens: 100, promptMs: 50, outputTokens: 40, outputMs: 2000, loadMs: 3000 };
    const samples = await counted(metricsOf([facts('attic', ['llama3'])]), [
      ended({ counters, cold: true, queueMs: 250 }),
      ended({ outcome: 'client-left', retries: 2, heldMs: 1500 }),
      ended({ outcome: 'failed', errorCode: 'OLLANA_BUSY', server: undefined, firstByteMs: undefined }),
    ]);
    const about = { route: '/api/chat', model: 'llama3:latest' };
    const requests = (labels: object) => samples.value('ollana_requests_total', { ...about, ...labels });
    expect(requests({ server: 'attic', outcome: 'completed' })).toBe(1);
    expect(requests({ server: 'attic', outcome: 'client-left' })).toBe(1);
    expect(requests({ server: '', outcome: 'busy' })).toBe(1);
    const where = { model: 'llama3:latest', server: 'attic' };
    expect(samples.value('ollana_prompt_tokens_total', where)).toBe(100);
    expect(samples.value('ollana_output_tokens_total', where)).toBe(40);
    expect(samples.value('ollana_prefill_seconds_total', where)).toBe(0.05);
    expect(samples.value('ollana_decode_seconds_total', where)).toBe(2);
    expect(samples.value('ollana_decode_tokens_per_second_sum', where)).toBe(20);
    expect(samples.value('ollana_time_to_first_token_seconds_sum', where)).toBe(0.08);
    expect(samples.value('ollana_request_duration_seconds_sum', where)).toBe(0.9);
    expect(samples.value('ollana_request_duration_seconds_count', where)).toBe(1);
    expect(samples.value('ollana_queue_seconds_sum', { model: 'llama3:latest' })).toBe(0.25);
    expect(samples.value('ollana_load_seconds_sum', { model: 'llama3:latest' })).toBe(3);
    expect(samples.value('ollana_held_seconds_total', {})).toBe(1.5);
    expect(samples.value('ollana_retries_total', {})).toBe(2);
  });

  it('show servers by verdict and what runs and waits, as it is now', async () => {
    const away: ServerFacts = {
      ...facts('barn', []),
      verdict: { state: 'unreliable', sinceMs: 0, cause: 'dial', reason: 'gone' },
    };
    const metrics = metricsOf([facts('attic', ['llama3']), facts('cellar', ['llama3']), away]);
    const samples = await counted(metrics, []);
    expect(samples.value('ollana_servers', { verdict: 'reliable' })).toBe(2);
    expect(samples.value('ollana_servers', { verdict: 'unreliable' })).toBe(1);
    expect(samples.value('ollana_servers', { verdict: 'second-chance' })).toBe(0);
    expect(samples.value('ollana_slots', { model: 'llama3:latest' })).toBe(8);
    expect(samples.value('ollana_active_requests', { model: 'llama3:latest' })).toBe(4);
    expect(samples.value('ollana_queued_requests', { model: 'llama3:latest' })).toBe(2);
    expect(samples.value('ollana_info', { version: '1.2.3', mode: 'client' })).toBe(1);
  });

  it('count tickets, verdicts, datagrams and limits', async () => {
    const samples = await counted(metricsOf([]), [
      { type: 'ticket', role: 'server', step: 'lapsed' },
      { type: 'datagram', by: 'beacon', direction: 'in' },
      { type: 'limit-reached', limit: 'connections', peer: '10.0.0.1' },
      {
        type: 'verdict-changed',
        deviceId: 'x',
        name: 'attic',
        url: 'http://attic:1',
        verdict: { state: 'reliable', sinceMs: 0 },
      },
    ]);
    expect(samples.value('ollana_tickets_total', { role: 'server', step: 'lapsed' })).toBe(1);
    expect(samples.value('ollana_discovery_datagrams_total', { protocol: 'beacon', direction: 'in' })).toBe(
      1,
    );
    expect(samples.value('ollana_limits_reached_total', { limit: 'connections' })).toBe(1);
    const label = { server: 'attic', verdict: 'reliable' };
    expect(samples.value('ollana_verdict_changes_total', label)).toBe(1);
  });

  it('tell the process of itself', async () => {
    const samples = await counted(metricsOf([]), []);
    expect(samples.names).toContain('process_cpu_seconds_total');
    expect(samples.names).toContain('nodejs_eventloop_lag_p99_seconds');
  });

  it('keep hostile names inside their quotes and out of the bounds', async () => {
    const hostile = 'a"} 1\nollana_evil_total{x="\\';
    const names = Array.from({ length: 500 }, (_, i) => `m${i}`);
    const metrics = metricsOf([facts('attic', [hostile, 'x'.repeat(5000), ...names])]);
    const events = [hostile, 'x'.repeat(5000), ...names, 'nobody has this'].flatMap((model) =>
      Array.from({ length: 40 }, (_, i) => ended({ model, server: i === 0 ? hostile : `${model}-${i}` })),
    );
    const samples = await counted(metrics, events);
    expect(samples.names).not.toContain('ollana_evil_total');
    expect(samples.sum('ollana_requests_total', {})).toBe(events.length);
    expect(samples.sum('ollana_requests_total', { model: shownModel(modelKey(hostile)) })).toBe(40);
    expect(samples.sum('ollana_requests_total', { model: 'nobody has this:latest' })).toBe(0);
    expect(samples.labels('model').size).toBeLessThanOrEqual(67);
    expect(samples.labels('server').size).toBeLessThanOrEqual(67);
    expect(Math.max(...[...samples.labels('model')].map((name) => name.length))).toBe(100);
    expect(samples.size).toBeLessThan(16_000);
  });

  it('cost less than 20 ms a scrape with a thousand servers', async () => {
    const models = Array.from({ length: 20 }, (_, i) => `model${i}`);
    const servers = Array.from({ length: 1000 }, (_, i) => facts(`server${i}`, models));
    const clock = { ...systemClock, skipped: 0, now: () => systemClock.now() + clock.skipped };
    const metrics = new Metrics({
      clock,
      version: '1',
      mode: 'client',
      servers: () => servers,
      loads: () => servers.flatMap(({ load }) => load ?? []),
    });
    for (let i = 0; i < 20_000; i += 1)
      metrics.count(ended({ server: `server${i % 1000}`, model: `model${i % 20}`, queueMs: i % 50 }));
    const costs: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      clock.skipped += 1000;
      const before = process.cpuUsage();
      await metrics.text();
      const { user, system } = process.cpuUsage(before);
      costs.push((user + system) / 1000);
    }
    expect(costs.toSorted((a, b) => a - b)[10]).toBeLessThan(20);
  });

  it('give the same text to whoever asks again at once', () => {
    const metrics = metricsOf([]);
    expect(metrics.text()).toBe(metrics.text());
  });
});

describe('route names', () => {
  it('are a fixed set, whatever is asked for', () => {
    const names = ['/api/chat', '/v1/models/a/b', '/api/blobs/sha256:1', '/x', '/api/chat/', '/'].map(
      (path) => routeName(routeOf(path === '/' || path.startsWith('/v1') ? 'GET' : 'POST', path), false),
    );
    expect(names).toEqual(['/api/chat', '/v1/models/*', '/api/blobs/*', 'other', 'other', '/']);
    expect(routeName(routeOf('GET', '/metrics'), true)).toBe('ollana');
    for (const name of names) expect(ROUTE_NAMES).toContain(name);
  });
});

describe('/metrics', () => {
  it('shows what a daemon has done, and never a prompt', async () => {
    await using cluster = await startCluster({ serve: true });
    const body = JSON.stringify({ model: 'simulated', prompt: 'a secret', stream: false });
    const answer = await fetch(`${cluster.url}/api/generate`, { method: 'POST', body });
    const { eval_count: count } = (await answer.json()) as { eval_count: number };
    await fetch(`${cluster.url}/what/is/this`);
    const samples = await until(5000, 'the request to be counted', async () => {
      const found = await scrape(cluster.url);
      return found.sum('ollana_requests_total', { route: '/api/generate' }) > 0 && found;
    });
    expect(samples.sum('ollana_output_tokens_total', {})).toBe(count);
    expect(samples.sum('ollana_requests_total', { route: 'other' })).toBe(1);
    expect(samples.text).not.toContain('secret');
    expect(samples.text).not.toContain('/what');
    const server = await scrape(cluster.servers[0]!.url);
    expect(server.sum('ollana_requests_total', { route: '/api/generate', outcome: 'completed' })).toBe(1);
  });

  it('takes GET alone, and says the format', async () => {
    await using cluster = await startCluster();
    const post = await fetch(`${cluster.url}/metrics`, { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET']);
    const get = await fetch(`${cluster.url}/metrics`);
    expect(get.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const head = await fetch(`${cluster.url}/metrics`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});
