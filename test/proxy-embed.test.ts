import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { SimulatedModel } from '../src/simulate/models.ts';
import type { SimulatedOllama } from '../src/simulate/ollama.ts';
import type { SeenRequest } from '../src/simulate/seen.ts';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { startUpstream } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { ask, send } from './_simulate-client.ts';

const MODEL: SimulatedModel = { name: 'embedder', embedding: true };
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `text ${i}, "é" and \\n`);

const isEmbed = ({ method, path }: SeenRequest): boolean => method === 'POST' && path.includes('/embed');
const embeds = ({ seen }: SimulatedOllama): readonly SeenRequest[] => seen.filter(isEmbed);
const sizes = (ollama: SimulatedOllama): number[] =>
  embeds(ollama).map(({ body }) => (JSON.parse(String(body)) as { input: unknown[] }).input.length);

/** The body of an answer without its times. */
const untimed = (text: string): string => text.replace(/_duration":\d+/g, '_duration":0');

/** Two simulated Ollamas that have the model in memory. */
const two = (more: Partial<SimulatedModel> = {}, serve = false) => {
  const models = [{ ...MODEL, ...more }];
  return startCluster({ serve, ollamas: [{ models }, { models }], loaded: ['embedder', 'embedder'] });
};

describe.each(TOPOLOGIES)('an embedding request with many inputs ($path)', ({ serve }) => {
  it.each([
    { path: '/api/embed', more: { truncate: true } },
    { path: '/v1/embeddings', more: { user: 'x' } },
    { path: '/v1/embeddings', more: { encoding_format: 'base64' } },
  ])('is shared by two servers and answered byte for byte as by one: $path $more', async ({ path, more }) => {
    await using cluster = await two({}, serve);
    const body = { model: 'embedder', input: texts(64), ...more };
    const answer = await ask(cluster, path, body);
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(cluster.ollamas.map(sizes)).toEqual([[32], [32]]);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'x-ollana-reason': 'split',
      'x-ollana-attempts': '2',
    });
    expect(answer.headers['x-ollana-server']).toMatch(/^(a, b|b, a)$/);
    const begun = cluster.log.said('attempt').map(({ server, attempt }) => ({ server, attempt }));
    expect(begun).toEqual([
      { server: 'a', attempt: 1 },
      { server: 'b', attempt: 2 },
    ]);
    const alone = await ask(cluster.ollamas[0]!, path, body);
    expect(untimed(answer.text)).toBe(untimed(alone.text));
  });

  it('is done elsewhere in the part that one server breaks off', async () => {
    await using cluster = await two({}, serve);
    cluster.ollamas[0]!.faults.set({ kind: 'reset' });
    const body = { model: 'embedder', input: texts(20) };
    const answer = await ask(cluster, '/api/embed', body);
    cluster.ollamas[0]!.faults.clear();
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-reason': 'split' });
    expect(sizes(cluster.ollamas[1]!)).toEqual([10, 10]);
    expect(cluster.view(0).verdict).toBe('unreliable');
    const alone = await ask(cluster.ollamas[1]!, '/api/embed', body);
    expect(untimed(answer.text)).toBe(untimed(alone.text));
  });

  it('is given up at all servers at once when the client leaves', async () => {
    await using cluster = await two({ prefillPerSecond: 0.001 }, serve);
    const sent = send(cluster, '/api/embed', { model: 'embedder', input: texts(20) });
    await Promise.all(cluster.ollamas.map((ollama) => ollama.onceSeen(isEmbed)));
    sent.request.destroy();
    await Promise.all(cluster.ollamas.map((ollama) => ollama.onceAborted(isEmbed)));
    await until(5000, 'nothing to be running', () =>
      cluster.ollamas.every((ollama) => ollama.stats().active + ollama.stats().queued === 0),
    );
    expect(cluster.ollamas.map((ollama) => embeds(ollama).length)).toEqual([1, 1]);
    expect([0, 1].map((i) => cluster.view(i).verdict)).toEqual(['reliable', 'reliable']);
  });
});

describe('an embedding request of which a part is refused', () => {
  it('goes whole to one server, whose words the client gets', async () => {
    await using cluster = await two();
    const refusal = '{"error":"the input length exceeds the context length"}';
    for (const { faults } of cluster.ollamas) faults.set({ kind: 'status', status: 400, body: refusal });
    const answer = await ask(cluster, '/api/embed', { model: 'embedder', input: texts(20) });
    expect(answer).toMatchObject({ status: 400, text: refusal });
    expect(answer.headers['x-ollana-reason']).not.toBe('split');
    expect(cluster.ollamas.flatMap(sizes).sort()).toEqual([10, 10, 20]);
    expect([0, 1].map((i) => cluster.view(i).verdict)).toEqual(['reliable', 'reliable']);
  });

  it('is given up in its other parts at once', async () => {
    await using cluster = await two();
    const [a, b] = cluster.ollamas;
    b!.faults.set({ kind: 'hang' }, { times: 1 });
    a!.faults.set({ kind: 'status', status: 400 });
    const answer = await ask(cluster, '/api/embed', { model: 'embedder', input: texts(20) });
    expect((await b!.onceAborted(isEmbed)).bodyBytes).toBeGreaterThan(0);
    expect(answer.headers['x-ollana-attempts']).toBe('3');
    expect(cluster.view(1).verdict).toBe('reliable');
  });

  it('goes elsewhere in that part with a 500, and the server that answered it is blamed', async () => {
    await using cluster = await two();
    cluster.ollamas[0]!.faults.set({ kind: 'status', status: 500 });
    const answer = await ask(cluster, '/api/embed', { model: 'embedder', input: texts(20) });
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-reason': 'split' });
    expect(cluster.view(0).verdict).toBe('unreliable');
  });

  it('goes whole to one server when no server does a part', async () => {
    await using cluster = await two();
    for (const { faults } of cluster.ollamas) faults.set({ kind: 'status', status: 500 });
    const answer = await ask(cluster, '/api/embed', { model: 'embedder', input: texts(20) });
    expect(answer.status).toBe(500);
    expect(cluster.ollamas.flatMap(sizes)).toContain(20);
  });

  it.each([
    { what: 'do not fit together', vectors: () => 1, bytes: 0 },
    { what: 'are larger than is kept', vectors: (inputs: number) => inputs, bytes: 40 * 1024 * 1024 },
  ])('goes whole to one server when the answers $what', async ({ vectors, bytes }) => {
    const say = async (request: IncomingMessage, response: ServerResponse) => {
      const { input } = (await json(request)) as { input: unknown[] };
      const embeddings = Array.from({ length: vectors(input.length) }, () => [0.5]);
      response.writeHead(200).end(JSON.stringify({ model: 'm', embeddings }).padEnd(bytes));
    };
    await using one = await startUpstream(say, { models: ['m'], loaded: true });
    await using other = await startUpstream(say, { models: ['m'], loaded: true });
    await using before = await startBefore([one.url, other.url]);
    const answer = await ask(before, '/api/embed', { model: 'm', input: texts(20) });
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.text.length).toBeGreaterThanOrEqual(bytes);
    expect(answer.headers['x-ollana-attempts']).toBe('3');
    expect(answer.headers['x-ollana-reason']).not.toBe('split');
  });

  it('blames nobody for the answers that it gives up', async () => {
    let first = true;
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    await using slow = await startUpstream(
      (_, response) => {
        if (first) response.writeHead(200).write('{"model":', begin);
        else response.writeHead(400).end('{"error":"no"}');
        first = false;
      },
      { models: ['m'], loaded: true },
    );
    await using wrong = await startUpstream(
      async (request, response) => {
        await Promise.all([json(request), begun]);
        response.writeHead(400).end('{"error":"no"}');
      },
      { models: ['m'], loaded: true },
    );
    await using before = await startBefore([slow.url, wrong.url]);
    const answer = await ask(before, '/api/embed', { model: 'm', input: texts(20) });
    expect(answer).toMatchObject({ status: 400, text: '{"error":"no"}' });
    expect(before.log.said('attempt failed')).toEqual([]);
    expect(before.client.status().servers.map(({ verdict }) => verdict)).toEqual(['reliable', 'reliable']);
  });
});

describe('an embedding request that is not worth sharing', () => {
  const whole = async (body: string, more: Partial<SimulatedModel> = {}, headers = {}) => {
    const models = [MODEL, { ...MODEL, ...more }];
    await using cluster = await startCluster({
      ollamas: models.map((model) => ({ models: [model] })),
      loaded: ['embedder', 'embedder'],
    });
    const answer = await ask(cluster, '/api/embed', body, { headers });
    const seen = cluster.ollamas.flatMap(embeds);
    expect(seen.map((request) => String(request.body))).toEqual([body]);
    expect(answer.headers['x-ollana-reason']).not.toBe('split');
  };

  it('goes as it came with a single input', async () => {
    await whole('{"input" : [ "one" ],\n "model":"embedder" }');
  });

  it('goes as it came with one text that is no list', async () => {
    await whole('{"input" : "one", "model":"embedder" }');
  });

  it('goes as it came with so few inputs that no part would be long enough', async () => {
    await whole(JSON.stringify({ model: 'embedder', input: texts(15) }));
  });

  it('goes as it came when the servers have other copies of the model', async () => {
    await whole(JSON.stringify({ model: 'embedder', input: texts(64) }), { digest: 'd'.repeat(64) });
  });

  it('goes as it came when it is no text that is to be embedded', async () => {
    await whole(`{"model":"embedder","input":[${'1,'.repeat(63)}1]}`);
  });

  it('goes to the server that it names', async () => {
    await whole(
      JSON.stringify({ model: 'embedder', input: texts(64) }),
      {},
      {
        'X-Ollana-Server': 'b',
      },
    );
  });
});

describe('a server without the model in memory', () => {
  it.each([
    { count: 63, shared: false },
    { count: 64, shared: true },
  ])('joins for $count inputs: $shared', async ({ count, shared }) => {
    const models = [MODEL];
    await using cluster = await startCluster({ ollamas: [{ models }, { models }], loaded: ['embedder'] });
    const answer = await ask(cluster, '/api/embed', { model: 'embedder', input: texts(count) });
    expect(answer.status).toBe(200);
    expect(cluster.ollamas.map((ollama) => embeds(ollama).length)).toEqual([1, shared ? 1 : 0]);
  });
});
