import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Fault } from '../src/simulate/faults.ts';
import { startCluster } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { until } from './_deadline.ts';
import { ask, asked, chat, HELLO, linesOf } from './_simulate-client.ts';

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
