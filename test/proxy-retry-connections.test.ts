import { describe, expect, it } from 'vitest';
import { startBefore, startCluster } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { type Listening, startUpstream } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { ask, asked, chat, HELLO } from './_simulate-client.ts';

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
