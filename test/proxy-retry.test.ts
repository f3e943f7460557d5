import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../src/simulate/faults.ts';
import type { SimulatedOllama } from '../src/simulate/ollama.ts';
import {
  deadUrl,
  fasterClock,
  type Listening,
  startBefore,
  startCluster,
  startUpstream,
  TOPOLOGIES,
} from './_cluster.ts';
import { until } from './_deadline.ts';
import { ask, chat, linesOf } from './_simulate-client.ts';

/** How often a simulated Ollama was asked for this. */
const asked = ({ seen }: SimulatedOllama, path: string): number =>
  seen.filter((one) => one.path === path).length;

const HELLO = chat('simulated', 'hi');

const FAILURES: { how: string; fault: Fault }[] = [
  ...[500, 502, 503, 504].map((status) => ({
    how: `answers ${status}`,
    fault: { kind: 'status', status } as Fault,
  })),
  { how: 'sends headers and dies before the first byte of the body', fault: { kind: 'cut', afterLines: 0 } },
  { how: 'ends an empty stream cleanly', fault: { kind: 'clean-cut', afterLines: 0 } },
];

describe.each(TOPOLOGIES)('a request whose server fails before the first byte ($path)', ({ serve }) => {
  it.each(FAILURES)(
    'is answered elsewhere when it $how, and each server is asked once',
    async ({ fault }) => {
      await using cluster = await startCluster({ serve, ollamas: [{}, {}], loaded: ['simulated'] });
      const [a, b] = cluster.ollamas;
      a!.faults.set(fault);
      const answer = await ask(cluster, '/api/chat', HELLO);
      expect(answer).toMatchObject({ status: 200, complete: true });
      expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-attempts': '2' });
      expect(linesOf(answer.text).at(-1)).toMatchObject({ done: true });
      expect([asked(a!, '/api/chat'), asked(b!, '/api/chat')]).toEqual([1, 1]);
      expect(cluster.view(0).verdict).toBe('unreliable');
      expect(cluster.view(1).verdict).toBe('reliable');
    },
  );

  it('is answered elsewhere when nobody listens there any more', async () => {
    await using cluster = await startCluster({ serve, ollamas: [{}, {}], loaded: ['simulated'] });
    await (serve ? cluster.servers[0]!.stop() : cluster.ollamas[0]!.stop());
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.headers['x-ollana-server']).toBe('b');
    expect(asked(cluster.ollamas[1]!, '/api/chat')).toBe(1);
  });

  it('is answered elsewhere when it resets a kept connection, and is asked at most once more for that', async () => {
    await using cluster = await startCluster({ serve, ollamas: [{}, {}], loaded: ['simulated'] });
    const [a, b] = cluster.ollamas;
    a!.faults.set({ kind: 'reset' });
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(asked(a!, '/api/chat')).toBeLessThanOrEqual(2);
    expect(asked(b!, '/api/chat')).toBe(1);
    expect(cluster.view(0).verdict).toBe('unreliable');
  });

  it('is answered elsewhere when the list was wrong, and the list is read again', async () => {
    await using cluster = await startCluster({
      serve,
      ollamas: [{ models: [{ name: 'x' }, { name: 'y' }] }, { models: [{ name: 'x' }, { name: 'z' }] }],
      loaded: ['x'],
    });
    const [a, b] = cluster.ollamas;
    a!.models.remove('x');
    const answer = await ask(cluster, '/api/chat', chat('x', 'hi'));
    expect(answer.headers['x-ollana-server']).toBe('b');
    expect(answer.status).toBe(200);
    expect([asked(a!, '/api/chat'), asked(b!, '/api/chat')]).toEqual([1, 1]);
    await until(1000, 'the list to be read again', () => !cluster.view(0).models.includes('x:latest'));
    expect(cluster.view(0)).toMatchObject({ verdict: 'reliable', models: ['y:latest'] });
  });

  it('gets the last real answer, verbatim, when all fail', async () => {
    await using cluster = await startCluster({
      serve,
      ollamas: [{}, {}, {}],
      loaded: [undefined, undefined, 'simulated'],
    });
    const body = '{"error":"server busy, please try again.  maximum pending requests exceeded"}';
    const [a, b, c] = cluster.ollamas;
    for (const one of [a, b])
      one!.faults.set({ kind: 'status', status: 503, body, headers: { 'X-Mine': 'yes' } });
    c!.faults.set({ kind: 'cut', afterLines: 0 });
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(answer).toMatchObject({ status: 503, text: body, complete: true });
    expect(answer.headers).toMatchObject({ 'x-mine': 'yes', 'x-ollana-attempts': '3' });
    expect(cluster.ollamas.map((one) => asked(one, '/api/chat'))).toEqual([1, 1, 1]);
  });

  it('gets a 500 that all servers agree on, and nobody is blamed', async () => {
    await using cluster = await startCluster({ serve, ollamas: [{}, {}] });
    const body = '{"error":"the prompt makes the runner fail"}';
    for (const one of cluster.ollamas) one.faults.set({ kind: 'status', status: 500, body });
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(answer).toMatchObject({ status: 500, text: body });
    expect(cluster.ollamas.map((one) => asked(one, '/api/chat'))).toEqual([1, 1]);
    expect(cluster.client.status().servers.map(({ verdict }) => verdict)).toEqual(['reliable', 'reliable']);
  });

  it.each([400, 401, 403, 404, 409, 413, 429, 499, 501])(
    'gets a %i as it is, from one server',
    async (status) => {
      await using cluster = await startCluster({ serve, ollamas: [{}, {}] });
      const body = `{"error":"number ${status}"}`;
      const path = status === 404 ? '/v1/unheard-of' : '/api/chat';
      const match = ({ method }: { method: string }) => method === 'POST';
      for (const one of cluster.ollamas) one.faults.set({ kind: 'status', status, body }, { match });
      const answer = await ask(cluster, path, HELLO);
      expect(answer).toMatchObject({ status, text: body });
      expect(cluster.ollamas.reduce((sum, one) => sum + asked(one, path), 0)).toBe(1);
      expect(cluster.client.status().servers.map(({ verdict }) => verdict)).toEqual(['reliable', 'reliable']);
    },
  );
});

describe('when no server can take a request', () => {
  it('ollana’s own error names them and when to come back', async () => {
    const clock = fasterClock(30);
    await using cluster = await startCluster({ ollamas: [{}, {}], clock });
    for (const one of cluster.ollamas) one.faults.set({ kind: 'reset' });
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    const { error } = JSON.parse(answer.text) as { error: string };
    for (const { url } of cluster.ollamas) expect(error).toContain(url);
    expect(error).not.toContain('\n');
    expect(Number(answer.headers['x-ollana-queue-ms'] ?? 30_000)).toBeGreaterThan(29_000);
  });

  it.each([
    { path: '/api/chat', shape: { error: expect.stringContaining('ollana serve') } },
    {
      path: '/v1/chat/completions',
      shape: {
        error: {
          message: expect.stringContaining('ollana serve'),
          type: 'api_error',
          param: null,
          code: null,
        },
      },
    },
    {
      path: '/v1/messages',
      shape: {
        type: 'error',
        error: { type: 'overloaded_error', message: expect.stringContaining('ollana serve') },
        request_id: expect.any(String),
      },
    },
  ])('because none is known, $path says so in its own protocol', async ({ path, shape }) => {
    await using cluster = await startCluster({ ollamas: [], clock: fasterClock(30) });
    const answer = await ask(cluster, path, HELLO);
    expect(answer).toMatchObject({ status: 503, complete: true });
    expect(JSON.parse(answer.text)).toEqual(shape);
  });

  it('a request is held until one is back, and then answered', async () => {
    await using cluster = await startCluster();
    const [a] = cluster.ollamas;
    await a!.stop();
    const answer = ask(cluster, '/api/chat', HELLO);
    await until(3000, 'the server to be unreliable', () => cluster.view(0).verdict !== 'reliable');
    await a!.start();
    expect(await answer).toMatchObject({ status: 200, complete: true });
  });

  it('the model’s holder being away is said, though other servers are there', async () => {
    const clock = fasterClock(30);
    await using cluster = await startCluster({
      ollamas: [{ models: [{ name: 'x' }] }, { models: [{ name: 'y' }] }],
      clock,
    });
    await cluster.ollamas[0]!.stop();
    const answer = await ask(cluster, '/api/chat', chat('x', 'hi'));
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text).error).toMatch(/^no server that holds x answers: a \(http:/);
    expect(asked(cluster.ollamas[1]!, '/api/chat')).toBe(0);
  });

  it('but nobody holds the model anyway, every server is asked before giving up', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    const [a, b] = cluster.ollamas;
    a!.faults.set({ kind: 'status', status: 503 });
    b!.faults.set({ kind: 'status', status: 503 });
    const answer = await ask(cluster, '/api/chat', chat('unheard-of', 'hi'));
    expect(answer.status).toBe(503);
    expect([asked(a!, '/api/chat'), asked(b!, '/api/chat')]).toEqual([1, 1]);
  });
});

describe('a request on a fresh connection', () => {
  it('is sent once to each server, though each resets it', async () => {
    const counts = [0, 0];
    const resetting = (i: number) =>
      startUpstream((request) => {
        counts[i] = (counts[i] ?? 0) + 1;
        request.resume().on('end', () => request.socket.resetAndDestroy());
      });
    await using first = await resetting(0);
    await using second = await resetting(1);
    await using before = await startBefore([first.url, second.url], {}, fasterClock(30));
    expect((await ask({ url: before.url }, '/api/chat', chat('m', 'hi'))).status).toBe(503);
    expect(counts).toEqual([1, 1]);
  });
});

describe('a connection that the server closed while it was kept', () => {
  /** Answers the first request of each connection, resets at the second. */
  const forgetful = (served: string[]): Promise<Listening> => {
    const used = new WeakSet<object>();
    return startUpstream((request, response) => {
      if (used.has(request.socket)) return void request.socket.resetAndDestroy();
      used.add(request.socket);
      served.push(`${request.method} ${request.url}`);
      request.resume().on('end', () => response.end('{"done":true}'));
    });
  };

  it.each([
    { path: '/api/chat', method: 'POST' },
    { path: '/api/delete', method: 'DELETE' },
    { path: '/api/pull', method: 'POST' },
    { path: '/', method: 'PUT' },
  ])('costs $method $path nothing, and nobody is blamed', async ({ path, method }) => {
    const served: string[] = [];
    await using upstream = await forgetful(served);
    await using before = await startBefore([upstream.url]);
    for (let i = 0; i < 3; i += 1) {
      const answer = await ask({ url: before.url }, path, { model: 'm' }, { method });
      expect(answer).toMatchObject({ status: 200, text: '{"done":true}' });
    }
    expect(served).toEqual(Array.from({ length: 3 }, () => `${method} ${path}`));
    expect(before.client.status().servers).toMatchObject([{ verdict: 'reliable' }]);
    expect(before.log.said('attempt failed')).toEqual([]);
  });

  it('costs nothing when many are stale at once', async () => {
    const served: string[] = [];
    await using upstream = await forgetful(served);
    await using before = await startBefore([upstream.url]);
    const round = () =>
      Promise.all(Array.from({ length: 20 }, () => ask({ url: before.url }, '/api/chat', chat('m', 'hi'))));
    await round();
    const answers = await round();
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(before.client.status().servers).toMatchObject([{ verdict: 'reliable' }]);
  });

  /** A serve whose connections to its Ollama are all kept and idle. */
  const startSettled = async () => {
    const cluster = await startCluster({ serve: true });
    const [a] = cluster.ollamas;
    await ask(cluster, '/api/chat', HELLO);
    await until(5000, 'the lists to be read again', () => asked(a!, '/api/ps') >= 2);
    await ask(cluster, '/api/chat', HELLO);
    return Object.assign(cluster, { a: a! });
  };
  const match = ({ path }: { path: string }) => path === '/api/chat';

  it('does not cost a request its slot in a serve’s queue', async () => {
    await using cluster = await startSettled();
    cluster.a.faults.set({ kind: 'reset' }, { times: 1, match });
    const before = cluster.log.said('attempt').length;
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(asked(cluster.a, '/api/chat')).toBe(4);
    expect(cluster.log.said('attempt').length - before).toBe(1);
  });

  it('that breaks twice has the only serve asked again soon, though nothing else tells that it is well', async () => {
    await using cluster = await startSettled();
    cluster.a.faults.set({ kind: 'reset' }, { times: 2, match });
    const { status, headers } = await ask(cluster, '/api/chat', HELLO);
    expect([status, headers['x-ollana-attempts']]).toEqual([200, '2']);
  });

  it('costs a serve before it nothing either, for its liveness', async () => {
    await using cluster = await startCluster({ serve: true });
    const [a] = cluster.ollamas;
    const match = ({ path }: { path: string }) => path === '/';
    await ask(cluster.servers[0]!, '/');
    a!.faults.set({ kind: 'reset' }, { times: 1, match });
    expect(await ask(cluster.servers[0]!, '/')).toMatchObject({ status: 200, text: 'Ollama is running' });
  });
});

describe('management', () => {
  const PULL = { model: 'new' };

  it.each([
    { how: 'a reset', fault: { kind: 'reset' } as Fault, status: 502 },
    { how: 'headers and no body', fault: { kind: 'cut', afterLines: 0 } as Fault, status: 502 },
    { how: 'a 503', fault: { kind: 'status', status: 503, body: '{"error":"no"}' } as Fault, status: 503 },
    { how: 'a 500', fault: { kind: 'status', status: 500, body: '{"error":"no"}' } as Fault, status: 500 },
  ])('is not repeated elsewhere after $how', async ({ fault, status }) => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    const match = ({ path }: { path: string }) => path === '/api/pull';
    for (const one of cluster.ollamas) one.faults.set(fault, { match });
    const answer = await ask(cluster, '/api/pull', PULL);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toEqual({ error: expect.any(String) });
    expect(cluster.ollamas.reduce((sum, one) => sum + asked(one, '/api/pull'), 0)).toBe(1);
  });

  it('goes elsewhere when nothing had been sent', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    await cluster.ollamas[0]!.stop();
    for (let i = 0; i < 3; i += 1) {
      const answer = await ask(cluster, '/api/pull', PULL);
      expect(linesOf(answer.text).at(-1)).toEqual({ status: 'success' });
    }
    expect(asked(cluster.ollamas[1]!, '/api/pull')).toBe(3);
  });

  it('without its last line is a failure, as a cut stream is', async () => {
    await using cluster = await startCluster();
    cluster.ollamas[0]!.faults.set(
      { kind: 'clean-cut', afterLines: 2 },
      { match: ({ path }) => path === '/api/pull' },
    );
    const answer = await ask(cluster, '/api/pull', PULL);
    expect(linesOf(answer.text).at(-1)).toEqual({ error: expect.any(String) });
    expect(answer.complete).toBe(false);
  });
});

describe('a body that is not kept', () => {
  it('arrives whole at the second server when nobody answers at the first', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    await cluster.ollamas[0]!.stop();
    for (let i = 0; i < 3; i += 1) {
      const bytes = randomBytes(300_000);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const answer = await ask(cluster, `/api/blobs/sha256:${sha256}`, bytes);
      expect(answer).toMatchObject({ status: 201 });
    }
    expect(cluster.log.said('attempt failed').length).toBeGreaterThan(0);
  });

  it('is sent to one server only once it has begun to go there', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}], loaded: ['simulated'] });
    const [a, b] = cluster.ollamas;
    a!.faults.set({ kind: 'reset' });
    const text = 'x'.repeat(33 << 20);
    const answer = await ask(cluster, '/api/chat', chat('simulated', text));
    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text).error).toContain('not repeated elsewhere');
    expect([asked(a!, '/api/chat'), asked(b!, '/api/chat')]).toEqual([1, 0]);
  });
});

describe('a server that was never there', () => {
  it('does not keep requests from those that are', async () => {
    const dead = await deadUrl();
    await using cluster = await startCluster({ servers: [dead] });
    for (let i = 0; i < 4; i += 1) {
      const answer = await ask(cluster, '/api/chat', HELLO);
      expect(answer.headers).toMatchObject({ 'x-ollana-server': 'a', 'x-ollana-attempts': '1' });
    }
  });
});
