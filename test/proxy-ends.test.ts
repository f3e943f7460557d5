import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../src/simulate/faults.ts';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { startUpstream, stuckSocket } from './_cluster-upstream.ts';
import { until, within } from './_deadline.ts';
import { ask, chat, linesOf } from './_simulate-client.ts';

const MODEL = 'simulated';

/** What each protocol's clients read as "this failed". */
const PROTOCOLS = [
  {
    route: '/api/chat',
    body: chat(MODEL, 'hi'),
    told: /\n\{"error":"[^"]+"\}\n$/,
    clean: '"done":true',
  },
  {
    route: '/api/generate',
    body: { model: MODEL, prompt: 'hi' },
    told: /\n\{"error":"[^"]+"\}\n$/,
    clean: '"done":true',
  },
  {
    route: '/v1/chat/completions',
    body: chat(MODEL, 'hi', { stream: true }),
    told: /\n\ndata: \{"error":\{"message":"[^"]+","type":"api_error","param":null,"code":null\}\}\n\n$/,
    clean: '[DONE]',
  },
  {
    route: '/v1/messages',
    body: chat(MODEL, 'hi', { stream: true, max_tokens: 50 }),
    told: /\n\nevent: error\ndata: \{"type":"error","error":\{"type":"api_error","message":"[^"]+"\}\}\n\n$/,
    clean: 'message_stop',
  },
  {
    route: '/v1/responses',
    body: { model: MODEL, input: 'hi', stream: true },
    told: /\n\nevent: response\.failed\ndata: \{"type":"response\.failed","response":\{[^\n]*"status":"failed"[^\n]*\}\}\n\n$/,
    clean: 'response.completed',
  },
];

const BREAKS: { how: string; fault: Fault }[] = [
  { how: 'is cut between two lines', fault: { kind: 'cut', afterLines: 6 } },
  { how: 'is cut in mid-line', fault: { kind: 'cut', afterLines: 6, midLine: true } },
  { how: 'ends cleanly without its last message', fault: { kind: 'clean-cut', afterLines: 6 } },
];

describe.each(TOPOLOGIES)('a stream that breaks off ($path)', ({ serve }) => {
  describe.each(PROTOCOLS)('on $route', ({ route, body, told, clean }) => {
    it.each(BREAKS)('and $how ends with an error and a failed connection', async ({ fault }) => {
      await using cluster = await startCluster({ serve });
      cluster.ollamas[0]!.faults.set(fault);
      const answer = await ask(cluster, route, body);
      expect(answer.status).toBe(200);
      expect(answer.text).toMatch(told);
      expect(answer.text).not.toContain(clean);
      expect(answer).toMatchObject({ complete: false, error: 'ECONNRESET' });
      expect(cluster.view(0)).toMatchObject({ verdict: 'unreliable' });
    });

    it('ends with its own last message when nothing is wrong', async () => {
      await using cluster = await startCluster({ serve });
      const answer = await ask(cluster, route, body);
      expect(answer).toMatchObject({ status: 200, complete: true });
      expect(answer.text).toContain(clean);
      expect(answer.text).not.toContain('"error"');
      expect(cluster.view(0)).toMatchObject({ verdict: 'reliable' });
    });
  });

  it('is judged by the stream, so that a passed probe does not make the server reliable, but a whole one does', async () => {
    await using cluster = await startCluster({ serve });
    cluster.ollamas[0]!.faults.set({ kind: 'cut', afterLines: 3 }, { times: 1 });
    await ask(cluster, '/api/chat', chat(MODEL, 'hi'));
    const probed = cluster.ollamas[0]!.seen.length;
    await until(8000, 'a passed probe', () =>
      cluster.ollamas[0]!.seen.slice(probed).some(
        ({ path, answered }) => path === '/api/version' && answered,
      ),
    );
    expect(cluster.view(0)).toMatchObject({ verdict: 'unreliable' });
    await ask(cluster, '/api/chat', chat(MODEL, 'again'));
    expect(cluster.view(0)).toMatchObject({ verdict: 'reliable' });
  });

  it('where the answer has a length is cut short, with nothing put into the body', async () => {
    await using cluster = await startCluster({ serve });
    cluster.ollamas[0]!.faults.set({ kind: 'cut', afterLines: 0 });
    const answer = await ask(cluster, '/api/chat', chat(MODEL, 'hi', { stream: false }));
    expect(answer).toMatchObject({ complete: false, error: 'ECONNRESET' });
    expect(answer.text).not.toContain('error');
  });

  it('with the server’s own error line reaches the client verbatim and whole', async () => {
    await using cluster = await startCluster({ serve });
    cluster.ollamas[0]!.faults.set({ kind: 'error-line', afterLines: 3, message: 'an error of the runner' });
    const direct = await ask(cluster.ollamas[0]!, '/api/chat', chat(MODEL, 'hi'));
    const answer = await ask(cluster, '/api/chat', chat(MODEL, 'hi'));
    const timeless = (text: string) => text.replace(/"created_at":"[^"]*"/g, '');
    expect(timeless(answer.text)).toBe(timeless(direct.text));
    expect(linesOf(answer.text).at(-1)).toEqual({ error: 'an error of the runner' });
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.error).toBeUndefined();
    expect(cluster.view(0)).toMatchObject({ verdict: 'unreliable' });
  });

  it('on /v1, where Ollama swallows the runner’s error, ends with an error event', async () => {
    await using cluster = await startCluster({ serve });
    cluster.ollamas[0]!.faults.set({ kind: 'error-line', afterLines: 3, message: 'an error of the runner' });
    const answer = await ask(cluster, '/v1/chat/completions', chat(MODEL, 'hi', { stream: true }));
    expect(answer.text).toMatch(/data: \{"error":\{"message":/);
    expect(answer).toMatchObject({ complete: false });
  });

  it('with one malformed line is passed on as it is, to its proper end', async () => {
    await using cluster = await startCluster({ serve });
    cluster.ollamas[0]!.faults.set({ kind: 'malformed', afterLines: 3 });
    const answer = await ask(cluster, '/api/chat', chat(MODEL, 'hi'));
    expect(answer).toMatchObject({ complete: true });
    expect(answer.text.trimEnd().endsWith('}')).toBe(true);
    expect(() => linesOf(answer.text)).toThrow(SyntaxError);
  });
});

describe('a stream that breaks off while its client lags behind', () => {
  it('gets everything that came and the error after it, however late it reads', async () => {
    const line = `${JSON.stringify({ model: 'm', response: 'x'.repeat(1000), done: false })}\n`;
    await using upstream = await startUpstream((request, response) => {
      request.resume();
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      const more = () => {
        while (!response.destroyed && response.write(line));
      };
      response.on('drain', more);
      more();
    });
    await using before = await startBefore([upstream.url], {}, fasterClock(10));
    await using client = await rawClient(before.url);
    client.socket.pause();
    client.post('/api/generate', { model: 'm', prompt: 'x' });
    await stuckSocket(upstream);
    upstream.frozen = true;
    await until(10_000, 'the failure', () => before.log.said('attempt failed').length === 1);
    client.socket.resume();
    await within(10_000, 'the end of the connection', client.closed);
    expect(client.text.slice(-300)).toMatch(/\n\{"error":"[^"]+"\}\n\r\n$/);
  });
});

describe('a stream that ends with the server’s own error', () => {
  it('leaves the client’s connection as usable as any', async () => {
    await using cluster = await startCluster();
    cluster.ollamas[0]!.faults.set({ kind: 'error-line', afterLines: 3, message: 'died' }, { times: 1 });
    await using client = await rawClient(cluster.url);
    client.post('/api/chat', chat(MODEL, 'hi'));
    await until(5000, 'the end of the first answer', () => client.text.endsWith('\r\n0\r\n\r\n'));
    client.post('/api/chat', chat(MODEL, 'hi'));
    await until(5000, 'a whole answer', () => client.text.includes('"done":true'));
    expect(cluster.log.said('request failed')).toMatchObject([{ outcome: 'failed', status: 200 }]);
  });
});

/** A connection on which a test decides when to read. */
async function rawClient(url: string) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const client = {
    socket,
    closed,
    text: '',
    post(path: string, value: object) {
      const body = JSON.stringify(value);
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x.local\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    },
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
      await closed;
    },
  };
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    client.text = (client.text + text).slice(-100_000);
  });
  socket.on('error', () => {}); // A reset is one of the ends looked for.
  return client;
}

describe('an answer that is no stream', () => {
  it('is not searched for a terminal marker', async () => {
    await using server = await startUpstream((request, response) => {
      request.resume();
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end('{"anything":1}');
    });
    await using before = await startBefore([server.url]);
    const answer = await ask({ url: before.url }, '/api/generate', { model: 'm', stream: false });
    expect(answer).toMatchObject({ status: 200, text: '{"anything":1}', complete: true });
  });
});

describe('an answer that does not stream and does not say its length', () => {
  it.each([
    { what: 'half of its JSON', body: '{"model":"m","message":{"content":"hel', complete: false },
    { what: 'all of its JSON', body: '{"model":"m","done":true}\n', complete: true },
  ])('that ends with $what is passed on as complete: $complete', async ({ body, complete }) => {
    await using upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.write(body);
      setImmediate(() => response.end());
    });
    await using before = await startBefore([upstream.url]);
    const answer = await ask({ url: before.url }, '/api/chat', { model: 'm', stream: false });
    expect(answer).toMatchObject({ status: 200, complete, text: body });
    expect(before.client.status().servers).toMatchObject([{ verdict: complete ? 'reliable' : 'unreliable' }]);
  });
});
