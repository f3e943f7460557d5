import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startBefore, startCluster, TOPOLOGIES } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { startUpstream, stuckSocket } from './_cluster-upstream.ts';
import { until, within } from './_deadline.ts';
import { ask, chat, linesOf, send } from './_simulate-client.ts';

const HELLO = chat('simulated', 'hi');

describe.each(TOPOLOGIES)('silence ($path)', ({ serve }) => {
  it('of a server that answers no probe either sends a waiting request elsewhere', {
    timeout: 30_000,
  }, async () => {
    const clock = fasterClock(10);
    await using cluster = await startCluster({ serve, clock, ollamas: [{}, {}], loaded: ['simulated'] });
    cluster.ollamas[0]!.faults.set({ kind: 'hang-all' });
    const begun = clock.now();
    const answer = await send(cluster, '/api/chat', HELLO).answer;
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-attempts': '2' });
    // Three probes of 5 s each in a row, perhaps behind two lists of 5 s.
    expect(clock.now() - begun).toBeLessThan(35_000);
    expect(cluster.view(0).verdict).toBe('unreliable');
    cluster.ollamas[0]!.faults.clear();
    await until(5000, 'the server to be reliable again', () => cluster.view(0).verdict === 'reliable');
  });

  it('of a server that is frozen in mid-stream ends the stream with an error', {
    timeout: 30_000,
  }, async () => {
    const clock = fasterClock(10);
    const models = [{ name: 'slow', tokensPerSecond: 10 }];
    await using cluster = await startCluster({ serve, clock, ollamas: [{ models }] });
    const sent = send(cluster, '/api/chat', chat('slow', 'hi'));
    await sent.started;
    cluster.ollamas[0]!.faults.set({ kind: 'hang-all' });
    const answer = await sent.answer;
    expect(answer.complete).toBe(false);
    expect(linesOf(answer.text).at(-1)).toEqual({ error: expect.any(String) });
    expect(answer.text).not.toContain('"done":true');
  });

  it('between the lines of a server that drains does not cost the stream', { timeout: 30_000 }, async () => {
    const models = [{ name: 'slow', tokensPerSecond: 0.8 }];
    await using cluster = await startCluster({ serve, ollamas: [{ models, answer: 'one two three four' }] });
    const sent = send(cluster, '/api/chat', chat('slow', 'hi'));
    await sent.started;
    // Nobody else gets in from here on; a plain Ollama has no such ending, so there only the probes are refused.
    const drained = serve ? cluster.servers[0]!.drain(20_000) : Promise.resolve();
    const answer = await sent.answer;
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(linesOf(answer.text).at(-1)).toMatchObject({ done: true });
    await within(5000, 'the drain', drained);
  });
});

describe('a silence of three minutes while a model loads', () => {
  it('cuts nothing, over one hop or two (on a clock nine times as fast)', { timeout: 60_000 }, async () => {
    const clock = fasterClock(9);
    const load = async ({ serve }: { serve: boolean }) => {
      await using cluster = await startCluster({
        serve,
        clock,
        ollamas: [{ models: [{ name: 'large', loadMs: 180_000 }] }, { models: [{ name: 'other' }] }],
      });
      const begun = clock.now();
      const answer = await send(cluster, '/api/chat', chat('large', 'hi')).answer;
      expect(clock.now() - begun).toBeGreaterThan(180_000);
      expect(answer).toMatchObject({ status: 200, complete: true });
      expect(linesOf(answer.text).at(-1)).toMatchObject({ done: true });
      expect(answer.headers['x-ollana-attempts']).toBe('1');
      expect(cluster.ollamas[0]!.stats().loads).toBe(1);
      expect(cluster.log.said('attempt failed')).toEqual([]);
    };
    await Promise.all(TOPOLOGIES.map(load));
  });
});

describe('--silence-timeout', () => {
  it('sends a request elsewhere whose server has said nothing for that long', async () => {
    const client = { silenceTimeoutMs: 300 };
    await using cluster = await startCluster({ client, ollamas: [{}, {}], loaded: ['simulated'] });
    cluster.ollamas[0]!.faults.set({ kind: 'hang' });
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.headers).toMatchObject({ 'x-ollana-server': 'b', 'x-ollana-attempts': '2' });
    expect(cluster.log.said('attempt failed')).toMatchObject([
      { reason: expect.stringContaining('--silence-timeout') },
    ]);
  });

  it('ends a stalled stream, and the upstream sees it', async () => {
    await using cluster = await startCluster({ client: { silenceTimeoutMs: 300 } });
    const [a] = cluster.ollamas;
    a!.faults.set({ kind: 'stall', afterLines: 3 });
    const answer = await ask(cluster, '/api/chat', HELLO);
    expect(linesOf(answer.text)).toHaveLength(4);
    expect(linesOf(answer.text).at(-1)).toEqual({ error: expect.stringContaining('silent for 0.3 s') });
    expect(answer.complete).toBe(false);
    await within(1000, 'the abort', a!.onceAborted());
  });

  it('does not end a stream that is slow but not silent', async () => {
    const models = [{ name: 'slow', tokensPerSecond: 5 }];
    await using cluster = await startCluster({
      client: { silenceTimeoutMs: 500 },
      ollamas: [{ models, answer: 'one two three four five six' }],
    });
    expect(await ask(cluster, '/api/chat', chat('slow', 'hi'))).toMatchObject({ complete: true });
  });

  it('does not count while the client does not read', async () => {
    const line = `${JSON.stringify({ response: 'x'.repeat(10_000), done: false })}\n`;
    await using upstream = await startUpstream((incoming, response) => {
      incoming.resume();
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
      const more = () => {
        while (!response.destroyed && response.write(line));
      };
      response.on('drain', more);
      more();
    });
    const clock = fasterClock(10);
    await using before = await startBefore([upstream.url], { silenceTimeoutMs: 1000 }, clock);
    const outgoing = request(`${before.url}/api/generate`, { method: 'POST', agent: false });
    outgoing.on('error', () => {}); // Destroyed at the end.
    outgoing.on('response', (response) => response.pause());
    outgoing.end('{"model":"m"}');
    await stuckSocket(upstream);
    const since = clock.now();
    await until(5000, 'several silence limits to pass', () => clock.now() - since > 5000);
    expect(before.log.said('attempt failed')).toEqual([]);
    expect(before.client.status()).toMatchObject({ inFlight: 1, servers: [{ verdict: 'reliable' }] });
    outgoing.destroy();
  });
});
