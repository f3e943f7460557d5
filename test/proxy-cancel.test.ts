import { request } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { SeenRequest } from '../src/simulate/seen.ts';
import { startCluster, TOPOLOGIES } from './_cluster.ts';
import { until, within } from './_deadline.ts';
import { ask, chat, send } from './_simulate-client.ts';

/** The upstream sees the client leave within this, ms, beside what the machine kept this process from running. */
const SEEN_WITHIN_MS = 100;
const TICK_MS = 5;

/** From now on counts the time in which this process, which is client, ollana and Ollama here, did not get to run. */
function heldBack(): () => number {
  let last = performance.now();
  let ms = 0;
  const count = () => {
    const now = performance.now();
    ms += Math.max(0, now - last - 2 * TICK_MS);
    last = now;
  };
  const timer = setInterval(count, TICK_MS).unref();
  return () => {
    clearInterval(timer);
    count();
    return ms;
  };
}

const SLOW = { name: 'slow', tokensPerSecond: 5 };
const LARGE = { name: 'large', loadMs: 60_000 };

const asks = (text: string) => (request: SeenRequest) => request.body?.includes(text) ?? false;

describe.each(TOPOLOGIES)('a client that leaves ($path)', ({ serve }) => {
  async function leave(body: object, text: string, ready: 'seen' | 'started') {
    const cluster = await startCluster({ serve, ollamas: [{ models: [SLOW, LARGE] }] });
    const [ollama] = cluster.ollamas;
    const sent = send(cluster, '/api/chat', body);
    await within(5000, 'the request at the Ollama', ollama!.onceSeen(asks(text)));
    if (ready === 'started') await within(5000, 'the first line', sent.started);
    expect(ollama!.seen.find(asks(text))?.abortedAt).toBeUndefined();
    const held = heldBack();
    const left = performance.now();
    sent.request.destroy();
    const seen = await within(2000, 'the abort at the Ollama', ollama!.onceAborted(asks(text)));
    return { cluster, ollama: ollama!, delay: (seen.abortedAt ?? 0) - left - held() };
  }

  it('while it is queued for a slot gives its place up', async () => {
    await using cluster = await startCluster({ serve, ollamas: [{ models: [SLOW] }] });
    const [ollama] = cluster.ollamas;
    const first = send(cluster, '/api/chat', chat('slow', 'the first'));
    await first.started;
    const second = send(cluster, '/api/chat', chat('slow', 'the second'));
    const inFlight = () => cluster.client.status().inFlight;
    await until(5000, 'the second request to wait', () => inFlight() === 2, 2);
    second.request.destroy();
    await until(1000, 'the second request to be gone', () => inFlight() === 1, 2);
    const third = send(cluster, '/api/chat', chat('slow', 'the third'));
    await until(5000, 'the third request to wait', () => inFlight() === 2, 2);
    first.request.destroy();
    await third.started;
    // Where there is no choice it waits in Ollama, where there is it has not been sent at all.
    expect(ollama!.seen.filter((one) => asks('the second')(one) && one.abortedAt === undefined)).toEqual([]);
    third.request.destroy();
  });

  it('during a load aborts it before any header', async () => {
    const { cluster, delay } = await leave(chat('large', 'hello load'), 'hello load', 'seen');
    await using _ = cluster;
    expect(delay).toBeLessThan(SEEN_WITHIN_MS);
  });

  it('mid-stream ends the generation', async () => {
    const { cluster, delay, ollama } = await leave(chat('slow', 'hello stream'), 'hello stream', 'started');
    await using _ = cluster;
    expect(delay).toBeLessThan(SEEN_WITHIN_MS);
    await until(1000, 'the slot to be free', () => ollama.stats().active === 0, 2);
  });

  it('that wants no stream ends the generation all the same', async () => {
    const body = chat('slow', 'hello whole', { stream: false });
    const { cluster, delay } = await leave(body, 'hello whole', 'seen');
    await using _ = cluster;
    expect(delay).toBeLessThan(SEEN_WITHIN_MS);
  });

  it('is nobody’s failure and leaves nothing in flight', async () => {
    const { cluster } = await leave(chat('slow', 'no blame'), 'no blame', 'started');
    await using _ = cluster;
    await until(1000, 'nothing in flight', () => cluster.client.status().inFlight === 0, 2);
    expect(cluster.view(0)).toMatchObject({ verdict: 'reliable', inFlight: 0 });
    expect(cluster.log.said('attempt failed')).toEqual([]);
    expect(cluster.log.said('request').at(-1)).toMatchObject({ outcome: 'client-left' });
  });

  it('in the middle of an upload ends it at the server', async () => {
    await using cluster = await startCluster({ serve });
    const [ollama] = cluster.ollamas;
    const path = `/api/blobs/sha256:${'0'.repeat(64)}`;
    const sent = request(`${cluster.url}${path}`, { method: 'POST', agent: false });
    sent.on('error', () => {}); // Destroyed below.
    sent.write(Buffer.alloc(1 << 20));
    await until(
      5000,
      'the upload to go through',
      () => cluster.client.status().servers[0]?.inFlight === 1,
      2,
    );
    const held = heldBack();
    const left = performance.now();
    sent.destroy();
    const seen = await within(
      2000,
      'the abort',
      ollama!.onceAborted((one) => one.path === path),
    );
    expect((seen.abortedAt ?? 0) - left - held()).toBeLessThan(SEEN_WITHIN_MS);
    await until(1000, 'nothing in flight', () => cluster.client.status().inFlight === 0, 2);
    expect(cluster.view(0)).toMatchObject({ verdict: 'reliable' });
  });

  it('in the middle of its own body never reaches a server', async () => {
    await using cluster = await startCluster({ serve });
    const socket = connect(Number(new URL(cluster.url).port), '127.0.0.1');
    socket.write('POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"model":');
    await until(2000, 'the request to be open', () => cluster.client.status().inFlight === 1, 2);
    socket.destroy();
    await until(2000, 'nothing in flight', () => cluster.client.status().inFlight === 0, 2);
    expect(cluster.ollamas[0]!.seen.filter(({ method }) => method === 'POST')).toEqual([]);
  });
});

describe('a client that leaves while its request is held for want of a server', () => {
  it('is forgotten at once, and nothing is sent when the server is back', async () => {
    await using cluster = await startCluster();
    const [ollama] = cluster.ollamas;
    await ollama!.stop();
    const sent = send(cluster, '/api/chat', chat('simulated', 'are you there?'));
    await until(3000, 'the server to be unreliable', () => cluster.view(0).verdict !== 'reliable');
    expect(cluster.client.status().inFlight).toBe(1);
    sent.request.destroy();
    await until(1000, 'nothing in flight', () => cluster.client.status().inFlight === 0, 2);
    await ollama!.start();
    await until(5000, 'the server to be reliable', () => cluster.view(0).verdict === 'reliable');
    await ask(cluster, '/api/chat', chat('simulated', 'somebody else'));
    expect(ollama!.seen.filter(asks('are you there?'))).toEqual([]);
  });
});
