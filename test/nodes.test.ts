import { type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { jobError } from '../src/daemon/job-wire.ts';
import { findNode, nodesOf } from '../src/daemon/nodes-view.ts';
import { call } from './_api.ts';
import { fasterClock, startBefore, startCluster, startUpstream, TOPOLOGIES } from './_cluster.ts';
import { until } from './_deadline.ts';

const MEMBERS = [
  ...['node_id', 'ipv4', 'ipv6', 'port', 'models', 'metadata', 'load', 'last_seen', 'status'],
  ...['active_jobs', 'failure_count'],
];
const job = (url: string, body: unknown, more = {}) => call(url, '/jobs', { method: 'POST', body, ...more });

describe('GET /nodes', () => {
  it('has every server in the shape of the seed system, and GET /nodes/ID one of them', async () => {
    await using cluster = await startCluster({ ollamas: [{ models: [{ name: 'llama3' }] }, {}] });
    const { status, json } = await call(cluster.url, '/nodes');
    expect(status).toBe(200);
    expect(json).toHaveLength(2);
    const [a] = json;
    expect(Object.keys(a).slice(0, MEMBERS.length)).toEqual(MEMBERS);
    expect(a).toMatchObject({
      ipv4: '127.0.0.1',
      ipv6: null,
      port: Number(new URL(cluster.ollamas[0]!.url).port),
      models: ['llama3:latest'],
      metadata: { hostname: 'a' },
      load: { cpu: null, memory: null },
      last_seen: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      status: 'online',
      active_jobs: 0,
      failure_count: 0,
    });
    for (const id of [a.node_id, 'A']) expect((await call(cluster.url, `/nodes/${id}`)).json.name).toBe('a');
    expect(await call(cluster.url, '/nodes/nobody%2e')).toMatchObject({
      status: 404,
      json: { detail: 'Node not found' },
    });
    expect((await call(cluster.url, '/nodes', { method: 'DELETE' })).status).toBe(405);
  });

  it('tells what is known of a load, whoever knows it: of the stream what it has, the rest of the last beat', () => {
    const server = {
      ...{ deviceId: 'd', name: 'a', url: 'http://10.0.0.7:11435', kind: 'ollana', sources: [], since: '' },
      ...{ verdict: 'reliable', models: [], loaded: [], inFlight: 0, latencyMs: 1 },
    } as const;
    const cpu = { name: null, cores: 8, load: 0.5 };
    const memory = { totalBytes: 1000, freeBytes: 300 };
    const beat = { ipv4: undefined, ipv6: undefined, nodeId: 'n', port: 1, models: [], metadata: {} };
    const beaten = {
      url: server.url,
      seenAt: 1,
      isStale: false,
      beat: { ...beat, load: { cpu: 0.1, memory: 0.2 } },
    };
    const loadOf = (machine: object | undefined, beats: readonly object[] = []) =>
      nodesOf([{ ...server, machine } as never], [], beats as never, 0)[0]?.load;
    expect(loadOf({ cpu, memory })).toEqual({ cpu: 0.5, memory: 0.7 });
    expect(loadOf({ cpu, memory: null })).toEqual({ cpu: 0.5, memory: null });
    expect(loadOf({ cpu: { ...cpu, load: null }, memory })).toEqual({ cpu: null, memory: 0.7 });
    expect(loadOf({ cpu, memory: null }, [beaten])).toEqual({ cpu: 0.5, memory: 0.2 });
    expect(loadOf(undefined, [beaten])).toEqual({ cpu: 0.1, memory: 0.2 });
    expect(loadOf(undefined)).toEqual({ cpu: null, memory: null });
  });

  it('keeps a server that stops beating as offline, does not use it, and forgets it', async () => {
    await using upstream = await startUpstream((_, response) => response.writeHead(500).end());
    await using cluster = await startCluster({
      ollamas: [],
      client: { acceptRegistrations: true },
      clock: fasterClock(40),
    });
    const beaten = await call(cluster.url, '/nodes/heartbeat', {
      method: 'POST',
      body: {
        node_id: 'gpu-7',
        port: upstream.port,
        models: ['m:latest'],
        metadata: { hostname: 'attic' },
        load: { cpu: 0.25, memory: 0.45 },
      },
    });
    expect(beaten.json).toMatchObject({ node_id: 'gpu-7', status: 'ok' });
    const node = async () => (await call(cluster.url, '/nodes/gpu-7')).json;
    await until(2000, 'it to be online', async () => (await node()).status === 'online');
    expect(await node()).toMatchObject({ models: ['m:latest'], load: { cpu: 0.25, memory: 0.45 } });
    await until(5000, 'it to be offline', async () => (await node()).status === 'offline');
    expect(await node()).toMatchObject({ name: 'attic', failure_count: 1, device_id: null });
    // It would still answer; but nobody says any more that it wants to.
    expect(cluster.client.status().servers).toEqual([]);
    await until(6000, 'it to be forgotten', async () => (await node()).detail === 'Node not found');
  });

  it('one that beats and does not answer is degraded, and one device with two addresses is one node', () => {
    const beat = (url: string, otherUrl?: string) => ({
      beat: {
        nodeId: 'gpu-7',
        ipv4: undefined,
        ipv6: undefined,
        port: 11435,
        models: ['m'],
        metadata: {},
        load: { cpu: null, memory: null },
      },
      url,
      otherUrl,
      seenAt: 1000,
      isStale: false,
    });
    const [lost] = nodesOf([], [], [beat('http://10.0.0.7:11435')], 5000);
    expect(lost).toMatchObject({ status: 'degraded', models: ['m'], last_seen: '1970-01-01T00:00:01.000Z' });
    const server = {
      deviceId: 'd'.repeat(64),
      name: 'attic',
      url: 'http://10.0.0.7:11435',
      kind: 'ollana',
      sources: ['heartbeat'],
      verdict: 'reliable',
      since: '2026-01-01T00:00:00.000Z',
      models: ['n'],
      loaded: [],
      inFlight: 2,
      latencyMs: 1,
    } as const;
    const both = ['http://10.0.0.7:11435', 'http://[fd00::7]:11435'];
    const addresses = both.map((url) => ({ url, deviceId: server.deviceId }));
    const nodes = nodesOf(
      [server],
      addresses,
      both.map((url) => beat(url)),
      5000,
    );
    expect(nodes).toMatchObject([
      { node_id: 'gpu-7', ipv4: '10.0.0.7', ipv6: 'fd00::7', models: ['n'], active_jobs: 2 },
    ]);
    expect(findNode(nodes, 'ATTIC')).toBe(nodes[0]);
    expect(findNode(nodes, 'd'.repeat(64))).toBe(nodes[0]);
    expect(findNode(nodes, 'constructor')).toBeUndefined();
  });
});

describe.each(TOPOLOGIES)('POST /jobs: $path', ({ serve }) => {
  const MODEL = { models: [{ name: 'llama3' }] };

  it('runs a prompt, with its options where Ollama reads them', async () => {
    await using cluster = await startCluster({ ollamas: [MODEL], serve });
    const answer = await job(cluster.url, {
      model: 'llama3',
      prompt: 'Why is the sky blue?',
      options: { temperature: 0.7, num_predict: 5 },
      stream: false,
    });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'x-job-id': expect.stringMatching(/^[0-9a-f-]{36}$/), 'x-ollana-server': 'a' },
      json: { model: 'llama3', done: true, response: expect.stringMatching(/\w/), eval_count: 5 },
    });
    const seen = cluster.ollamas[0]!.seen.find(({ path }) => path === '/api/generate');
    expect(JSON.parse(String(seen!.body))).toEqual({
      model: 'llama3',
      prompt: 'Why is the sky blue?',
      options: { temperature: 0.7, num_predict: 5 },
      stream: false,
    });
  });

  it('streams, token by token, unless told otherwise', async () => {
    await using cluster = await startCluster({
      ollamas: [{ models: [{ name: 'llama3', tokensPerSecond: 20 }] }],
      serve,
    });
    const body = JSON.stringify({ model: 'llama3', prompt: 'Tell', options: { num_predict: 12 } });
    const at: number[] = [];
    let text = '';
    await new Promise<void>((resolve, reject) => {
      const headers = { 'Content-Type': 'application/json' };
      const sent = request(`${cluster.url}/jobs`, { agent: false, method: 'POST', headers }, (answer) => {
        expect(answer.headers['content-type']).toMatch(/ndjson/);
        answer.on('data', (chunk) => {
          at.push(performance.now());
          text += chunk;
        });
        answer.on('end', resolve);
      });
      sent.on('error', reject);
      sent.end(body);
    });
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ done: true });
    expect(lines.length).toBeGreaterThan(10);
    // Twelve tokens at twenty a second: what is held back to the end would come in one moment.
    expect(at.at(-1)! - at[0]!).toBeGreaterThan(300);
  });

  it('ends at the server when the client leaves', async () => {
    await using cluster = await startCluster({ ollamas: [MODEL], serve });
    const isRun = ({ path }: { path: string }) => path === '/api/generate';
    cluster.ollamas[0]!.faults.set({ kind: 'stall', afterLines: 1 }, { match: isRun });
    const aborted = cluster.ollamas[0]!.onceAborted(isRun);
    const sent = request(`${cluster.url}/jobs`, {
      agent: false,
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
    });
    sent.on('error', () => {});
    sent.on('response', (answer) => {
      answer.on('error', () => {});
      answer.once('data', () => sent.destroy());
    });
    sent.end(JSON.stringify({ model: 'llama3', prompt: 'x' }));
    await aborted;
  });
});

it('a job that runs when ollana ends is answered to its end, however slowly it is read', async () => {
  const line = `${JSON.stringify({ response: 'x'.repeat(1_000_000), done: false })}\n`;
  await using upstream = await startUpstream((_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    for (let i = 0; i < 12; i++) response.write(line);
    response.end('{"done":true}\n');
  });
  await using before = await startBefore([upstream.url]);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const sent = request(`${before.url}/jobs`, { agent: false, method: 'POST', headers }, resolve);
    sent.on('error', reject);
    sent.end(JSON.stringify({ model: 'm', prompt: 'x' }));
  });
  const drained = before.client.drain(20_000);
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    text += chunk;
    await new Promise((resolve) => setTimeout(resolve, 2)); // A slow reader, not a wait for anything.
  }
  await drained;
  expect(text.length).toBe(12 * line.length + 14);
});

describe('POST /jobs that fail', () => {
  it('is tried elsewhere first', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    const [model] = cluster.view(0).models;
    const isRun = ({ path }: { path: string }) => path === '/api/generate';
    cluster.ollamas[0]!.faults.set(
      { kind: 'status', status: 503, body: { error: 'busy' } },
      { match: isRun },
    );
    for (let i = 0; i < 3; i++)
      expect(await job(cluster.url, { model, prompt: 'x', stream: false })).toMatchObject({
        status: 200,
        headers: { 'x-ollana-server': 'b' },
      });
    cluster.ollamas[1]!.faults.set(
      { kind: 'status', status: 503, body: { error: 'busy' } },
      { match: isRun },
    );
    const { status, json } = await job(cluster.url, { model, prompt: 'x', stream: false });
    expect(status).toBe(503);
    expect(json.detail).toMatchObject({
      message: 'All candidate nodes failed to execute the job',
      errors: [{ message: expect.stringMatching(/\w/), status: 503 }],
      job_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('says that nobody has the model', async () => {
    await using cluster = await startCluster({ client: { holdMs: 0 } });
    expect(await job(cluster.url, { model: 'nobody-has-it', prompt: 'x' })).toMatchObject({
      status: 503,
      json: { detail: 'No healthy nodes available for requested model' },
    });
    await using alone = await startCluster({ ollamas: [], client: { holdMs: 0 } });
    expect(await job(alone.url, { model: 'm', prompt: 'x' })).toMatchObject({
      status: 503,
      json: { detail: 'No healthy nodes available for requested model', error: expect.stringMatching(/\w/) },
    });
  });

  it('breaks off when the stream does', async () => {
    await using cluster = await startCluster({ ollamas: [{ models: [{ name: 'llama3' }] }] });
    cluster.ollamas[0]!.faults.set(
      { kind: 'cut', afterLines: 2 },
      { match: ({ path }: { path: string }) => path === '/api/generate' },
    );
    await expect(job(cluster.url, { model: 'llama3', prompt: 'x' })).rejects.toThrow(/aborted/);
  });

  it.each([
    [{ prompt: 'x' }, /model is missing/],
    [{ model: 5, prompt: 'x' }, /model is missing/],
    [{ model: 'm' }, /prompt is missing/],
    [{ model: 'm', prompt: 'x', options: [1] }, /options is an object/],
    [{ model: 'm', prompt: 'x', stream: 'yes' }, /stream is true or false/],
    ['nonsense', /no JSON/],
  ])('%j is refused with 400', async (body, reason) => {
    await using cluster = await startCluster({ ollamas: [] });
    expect(await job(cluster.url, body)).toMatchObject({
      status: 400,
      json: { detail: expect.stringMatching(reason) },
    });
    expect((await call(cluster.url, '/jobs')).status).toBe(405);
  });

  it('gives a client’s own mistake back as it is, and every server’s end', () => {
    const failure = { jobId: 'j', code: undefined, server: 'a' };
    expect(jobError({ ...failure, status: 400, text: '{"error":"bad options"}' })).toEqual({
      status: 400,
      body: { detail: 'bad options', job_id: 'j' },
    });
    const servers = [{ name: 'a', status: 500, error: 'no' }, { name: 'b' }];
    const text = JSON.stringify({ error: 'both', servers });
    expect(jobError({ ...failure, status: 502, text }).body).toMatchObject({
      detail: {
        errors: [
          { node_id: 'a', message: 'no', status: 500 },
          { node_id: 'b', message: 'both', status: 502 },
        ],
      },
    });
    expect(jobError({ ...failure, status: 500, text: '<html>' }).body).toMatchObject({
      detail: { errors: [{ node_id: 'a', message: 'HTTP status 500', status: 500 }] },
    });
  });
});
