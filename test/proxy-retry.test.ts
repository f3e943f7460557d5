import { describe, expect, it } from 'vitest';
import type { Fault } from '../src/simulate/faults.ts';
import { startCluster, TOPOLOGIES } from './_cluster.ts';
import { deadUrl } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { ask, asked, chat, HELLO, linesOf } from './_simulate-client.ts';

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
