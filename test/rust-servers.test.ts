import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { identify } from '../src/fleet/identify.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { LIMITS, seen, start, untilKnown } from './_rust-cluster.ts';
import { ask, chat, linesOf, send } from './_simulate-client.ts';

describe.each([
  ['0.1 to 0.3', false],
  ['0.1 to 0.3 with the types of 0.6.1', true],
] as const)('a server of the Rust ollana %s', (_which, octets) => {
  it.each([
    ['/api/chat', chat('old', 'hi'), 200, 'application/x-ndjson'],
    ['/api/chat', { ...chat('old', 'hi'), stream: false }, 200, 'application/json; charset=utf-8'],
    ['/api/generate', { model: 'old', prompt: 'hi' }, 200, 'application/x-ndjson'],
    ['/v1/chat/completions', { ...chat('old', 'hi'), stream: true }, 200, 'text/event-stream'],
    ['/v1/chat/completions', chat('old', 'hi'), 200, 'application/json; charset=utf-8'],
    ['/api/show', { model: 'old' }, 200, 'application/json; charset=utf-8'],
  ])('runs %s %j with the headers that apps need', async (path, body, status, type) => {
    await using started = await start({ generation: 1, octets });
    await untilKnown(started);
    const answer = await ask(started.cluster, path, body);
    expect([answer.status, answer.headers['content-type'], answer.complete]).toEqual([status, type, true]);
    expect(answer.headers['x-ollana-server']).toBe('rust');
  });

  it('passes an error on with the type that it had', async () => {
    await using started = await start({ generation: 1, octets });
    await untilKnown(started);
    started.behind.faults.set({ kind: 'status', status: 400, body: { error: 'no' } });
    const answer = await ask(started.cluster, '/api/chat', chat('old', 'hi'));
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([
      400,
      'application/json; charset=utf-8',
      '{"error":"no"}',
    ]);
  });

  it('that breaks off in mid-answer is told of in the stream', async () => {
    await using started = await start({ generation: 1, octets });
    await untilKnown(started);
    started.behind.faults.set({ kind: 'cut', afterLines: 2 });
    const answer = await ask(started.cluster, '/api/chat', chat('old', 'hi'));
    expect(answer.complete).toBe(false);
    expect(linesOf(answer.text).at(-1)).toEqual({ error: expect.stringContaining('rust broke off') });
  });
});

describe.each([
  ['0.1 to 0.3', 1],
  ['0.4, by TLS', 2],
] as const)('a server of the Rust ollana %s', (_which, generation) => {
  it('that closes an idle connection costs nobody a request', async () => {
    await using started = await start({ generation, idleMs: 1 });
    await untilKnown(started);
    for (let i = 0; i < 30; i += 1) {
      const answer = await ask(started.cluster, '/api/chat', chat('old', `${i}`));
      expect([answer.status, answer.complete]).toEqual([200, true]);
      await new Promise((resolve) => setTimeout(resolve, i % 4));
    }
  });

  it('is asked over connections that are kept', async () => {
    await using started = await start({ generation });
    await untilKnown(started);
    const { rust, cluster } = started;
    for (let i = 0; i < 5; i += 1)
      expect((await ask(cluster, '/api/chat', chat('old', `${i}`))).complete).toBe(true);
    const runs = rust.asked.filter(({ line }) => line === 'POST /api/chat');
    expect([runs.length, new Set(runs.map(({ from }) => from)).size]).toEqual([5, 1]);
  });
});

describe('a server of the Rust ollana 0.4, which speaks TLS', () => {
  it.each([
    ['/api/chat', chat('old', 'hi'), 'application/x-ndjson'],
    ['/v1/chat/completions', { ...chat('old', 'hi'), stream: true }, 'text/event-stream'],
    ['/api/show', { model: 'old' }, 'application/json; charset=utf-8'],
  ])('runs %s %j, and is never told who we are', async (path, body, type) => {
    await using started = await start({ generation: 2 });
    await untilKnown(started);
    const answer = await ask(started.cluster, path, body);
    expect([answer.status, answer.headers['content-type'], answer.complete]).toEqual([200, type, true]);
    expect(answer.headers['x-ollana-server']).toBe('rust');
    expect(seen(started)).toMatchObject({ verdict: 'reliable', deviceId: started.rust.sha256 });
    const names = started.rust.asked.flatMap(({ headers }) => headers.map((name) => name.toLowerCase()));
    expect(names.filter((name) => name.startsWith('x-ollana'))).toEqual([]);
  });

  it('that breaks off in mid-answer is told of in the stream; a client that leaves ends it there', async () => {
    await using started = await start({ generation: 2 });
    await untilKnown(started);
    const { behind, cluster } = started;
    behind.faults.set({ kind: 'cut', afterLines: 2 });
    const cut = await ask(cluster, '/api/chat', chat('old', 'hi'));
    expect(cut.complete).toBe(false);
    expect(linesOf(cut.text).at(-1)).toEqual({ error: expect.stringContaining('rust broke off') });
    behind.faults.clear();
    const sent = send(cluster, '/api/chat', chat('old', 'leave '.repeat(50)));
    await sent.started;
    sent.request.destroy();
    await until(2000, 'it to end', () => {
      const [, left] = behind.seen.filter(({ path }) => path === '/api/chat');
      return left?.abortedAt !== undefined;
    });
  });

  it('takes a body of 300 kB and a request that goes to every holder', async () => {
    await using started = await start({ generation: 2 });
    await untilKnown(started);
    const body = chat('old', 'x'.repeat(300_000));
    expect((await ask(started.cluster, '/api/chat', body)).complete).toBe(true);
    const at = await started.behind.onceSeen(({ path }) => path === '/api/chat');
    expect(at.bodySha256).toBe(createHash('sha256').update(JSON.stringify(body)).digest('hex'));
    const unloaded = await ask(started.cluster, '/api/generate', { model: 'old', keep_alive: 0 });
    expect([unloaded.status, linesOf(unloaded.text).at(-1)]).toMatchObject([200, { done: true }]);
  });

  it('is spoken to no more when it shows another certificate, until the user says so', async () => {
    await using started = await start({ generation: 2 });
    await untilKnown(started);
    const { cluster, rust } = started;
    rust.renew();
    const refused = await ask(cluster, '/api/chat', chat('old', 'hi'));
    expect(refused.status).toBeGreaterThanOrEqual(500);
    await until(5000, 'the reason', () => /another certificate/.exec(seen(started)?.reason ?? ''));
    expect(rust.asked.filter(({ line }) => line === 'POST /api/chat')).toEqual([]);
    expect(cluster.client.status().servers.map(({ name }) => name)).toContain('rust');
  });
});

describe('who answers at an address', () => {
  /** As the old client mode: passes answers on and loses their types. */
  async function typeless(host: string, port: number, hello: string) {
    const server = createServer((request, response) => {
      const body = request.url === '/ollana/api/hello' ? hello : '{"version":"0.17.4"}';
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      response.end(body);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const { port: bound } = server.address() as { port: number };
    return {
      url: `http://${host}:${bound}`,
      [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
    };
  }

  it('is no Ollama where the client mode of the Rust ollana listens', async () => {
    await using client = await typeless('127.0.0.9', 11434, '404 page not found');
    await expect(identify(client.url, LIMITS)).rejects.toThrow(/another proxy/);
  });

  it('is not the server whose words a proxy passes on', async () => {
    const hello = JSON.stringify({ mode: 'server', deviceId: 'e'.repeat(64), name: 'gpu', ollana: '1' });
    await using proxy = await typeless('127.0.0.1', 0, hello);
    expect(await identify(proxy.url, LIMITS)).toMatchObject({ kind: 'ollama' });
    expect((await identify(proxy.url, LIMITS)).deviceId).not.toBe('e'.repeat(64));
  });

  it('is told of as before where it speaks neither HTTP nor TLS', async () => {
    await using rubbish = await listenOn(
      createTcpServer((socket) => void socket.end('220 smtp.example ESMTP\r\n')),
    );
    await expect(identify(rubbish.url, LIMITS)).rejects.toThrow(/Parse Error|ECONNRESET|hang up|EPIPE/);
  });
});
