import { describe, expect, it } from 'vitest';
import type { Fault } from '../src/simulate/faults.ts';
import type { SeenRequest } from '../src/simulate/seen.ts';
import { type Cluster, startCluster, TOPOLOGIES } from './_cluster.ts';
import { until, within } from './_deadline.ts';
import { ask, chat, linesOf, send } from './_simulate-client.ts';

/** What is promised: a server that has lost sees its request end within this, ms. */
const CANCELLED_WITHIN_MS = 100;

const asks = (text: string) => (request: SeenRequest) => request.body?.includes(text) ?? false;
const LATE: Fault = { kind: 'slow-first-byte', ms: 30_000 };

/** Servers that have the model, most of them in memory, of which each meets the fault given for it. */
async function start(
  serve: boolean,
  faults: readonly (Fault | undefined)[],
  raceWidth = 3,
  loaded: readonly (string | undefined)[] = faults.map(() => 'm'),
): Promise<Cluster> {
  const cluster = await startCluster({
    serve,
    ollamas: faults.map(() => ({ models: [{ name: 'm', tokensPerSecond: 200 }], numParallel: 8 })),
    loaded,
    client: { policy: 'race', raceWidth, holdMs: 0 },
    server: { parallel: 8 },
  });
  const racers = Math.min(raceWidth, loaded.filter((model) => model !== undefined).length);
  // Who has not told yet that the model is loaded does not take part.
  await until(5000, 'all servers to be raced', async () => {
    const { headers } = await ask(cluster, '/api/chat', chat('m', 'warm up'));
    return String(headers['x-ollana-reason']).startsWith(`race of ${racers},`);
  });
  await idle(cluster);
  for (const [i, fault] of faults.entries()) cluster.ollamas[i]?.faults.set(fault);
  return cluster;
}

const reliable = (cluster: Cluster) => cluster.client.status().servers.map(({ verdict }) => verdict);

/** Everything has been given back: nothing runs, nothing is counted as running. */
async function idle(cluster: Cluster): Promise<void> {
  await until(2000, 'nothing in flight', () => cluster.client.status().inFlight === 0);
  await until(2000, 'all seats to be free', () =>
    cluster.client.status().servers.every(({ inFlight }) => inFlight === 0),
  );
}

describe.each(TOPOLOGIES)('a race ($path)', ({ serve }) => {
  it.each([true, false])(
    'is won by the first token, and the others end at once (stream: %s)',
    async (stream) => {
      await using cluster = await start(serve, [LATE, undefined, LATE]);
      const sent = send(cluster, '/api/chat', chat('m', 'run', { stream }));
      await within(5000, 'the first byte', sent.started);
      const wonAt = performance.now();
      for (const loser of [0, 2]) {
        const seen = await within(2000, 'a loser to end', cluster.ollamas[loser]!.onceAborted(asks('run')));
        expect((seen.abortedAt ?? 0) - wonAt).toBeLessThan(CANCELLED_WITHIN_MS);
      }
      const answer = await within(5000, 'the answer', sent.answer);
      expect(answer).toMatchObject({ status: 200, complete: true });
      expect(linesOf(answer.text).at(-1)).toMatchObject({ done: true });
      expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-attempts': '3' });
      expect(answer.headers['x-ollana-reason']).toMatch(/^race of 3\b/);
      expect(reliable(cluster)).toEqual(['reliable', 'reliable', 'reliable']);
      expect(cluster.log.said('attempt failed')).toEqual([]);
      await idle(cluster);
      expect(cluster.ollamas.map(({ stats }) => stats().active)).toEqual([0, 0, 0]);
    },
  );

  it('goes on without a server that fails', async () => {
    const reset: Fault = { kind: 'reset' };
    await using cluster = await start(serve, [reset, { kind: 'slow-first-byte', ms: 200 }, reset]);
    const answer = await ask(cluster, '/api/chat', chat('m', 'run'));
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-attempts': '3' });
    await idle(cluster);
  });

  it('that all lose ends with one clear error', async () => {
    const reset: Fault = { kind: 'reset' };
    await using cluster = await start(serve, [reset, reset, reset]);
    const answer = await ask(cluster, '/api/chat', chat('m', 'run'));
    expect(answer.status).toBe(503);
    expect(answer.headers['x-ollana-error']).toBeDefined();
    expect(JSON.parse(answer.text).error).toContain('no server that holds m answers');
    await idle(cluster);
  });

  it('passes on as it is what the request itself is refused for', async () => {
    const refused: Fault = { kind: 'status', status: 400, body: { error: 'not like this' } };
    await using cluster = await start(serve, [refused, refused, refused, refused], 2);
    const answer = await ask(cluster, '/api/chat', chat('m', 'run'));
    expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('not like this') });
    expect(answer.headers['x-ollana-attempts']).toBe('2');
    expect(reliable(cluster)).toEqual(Array(4).fill('reliable'));
    await idle(cluster);
  });

  it('ends everywhere when the client leaves', async () => {
    await using cluster = await start(serve, [LATE, LATE, LATE]);
    const sent = send(cluster, '/api/chat', chat('m', 'run'));
    await within(5000, 'all to run', Promise.all(cluster.ollamas.map((one) => one.onceSeen(asks('run')))));
    const left = performance.now();
    sent.request.destroy();
    for (const ollama of cluster.ollamas) {
      const seen = await within(2000, 'the request to end', ollama.onceAborted(asks('run')));
      expect((seen.abortedAt ?? 0) - left).toBeLessThan(CANCELLED_WITHIN_MS);
    }
    expect(reliable(cluster)).toEqual(['reliable', 'reliable', 'reliable']);
    await idle(cluster);
  });

  it('is joined only by servers that have the model in memory', async () => {
    await using cluster = await start(serve, [undefined, undefined, undefined], 3, ['m', undefined, 'm']);
    const answer = await ask(cluster, '/api/chat', chat('m', 'run'));
    expect(answer.headers['x-ollana-reason']).toMatch(/^race of 2\b/);
    expect(cluster.ollamas[1]?.seen.some(asks('run'))).toBe(false);
    await idle(cluster);
  });
});

it('a winner that breaks before its first byte is followed by the others', async () => {
  await using cluster = await start(
    false,
    [
      { kind: 'cut', afterLines: 0 },
      { kind: 'slow-first-byte', ms: 300 },
    ],
    2,
  );
  const answer = await ask(cluster, '/api/chat', chat('m', 'run'));
  expect(answer).toMatchObject({ status: 200, complete: true });
  expect(answer.headers['x-ollana-server']).toBe('b');
  await idle(cluster);
});
