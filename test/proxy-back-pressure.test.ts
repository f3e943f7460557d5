import { type IncomingMessage, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startCluster, TOPOLOGIES } from './_cluster.ts';
import { next, until } from './_deadline.ts';

/** An answer of so many tokens that no buffer between the two ends holds a tenth of it. */
const WORDS = 1_000_000;

describe.each(TOPOLOGIES)('a client that reads slowly ($path)', ({ serve }) => {
  it('makes the server pause instead of filling memory, and misses nothing', {
    timeout: 60_000,
  }, async () => {
    let written = 0;
    const answer = 'x '.repeat(WORDS);
    await using cluster = await startCluster({ serve, ollamas: [{ answer: () => answer }] });
    const outgoing = request(`${cluster.url}/api/chat`, { method: 'POST', agent: false });
    const answered = next<IncomingMessage>(outgoing, 'response', 20_000);
    outgoing.end(JSON.stringify({ model: 'simulated', messages: [{ role: 'user', content: 'hi' }] }));
    const response = await answered;
    const before = process.memoryUsage();
    // Nobody reads: the simulated Ollama runs in this process, so what it had written shows in what is held here.
    const idle = await standstill();
    const held = process.memoryUsage().rss - before.rss;
    expect(idle).toBe(true);
    expect(held).toBeLessThan(50 << 20);
    expect(cluster.ollamas[0]!.seen.find(({ path }) => path === '/api/chat')?.answered).toBe(false);
    expect(cluster.ollamas[0]!.stats().active).toBe(1);
    let last = '';
    for await (const chunk of response as AsyncIterable<Buffer>) {
      written += chunk.length;
      last = (last + chunk.toString('latin1')).slice(-2000);
    }
    expect(written).toBeGreaterThan(WORDS * 80);
    expect(last.trimEnd().split('\n').at(-1)).toContain('"done":true');
    expect(process.memoryUsage().rss - before.rss).toBeLessThan(200 << 20);

    /** Whether this process comes to rest while the stream is open: three looks in a row without work. */
    async function standstill(): Promise<boolean> {
      let cpu = process.cpuUsage();
      let quiet = -1;
      const look = () => {
        const { user, system } = process.cpuUsage(cpu);
        cpu = process.cpuUsage();
        quiet = user + system < 20_000 ? quiet + 1 : 0;
        return quiet >= 3;
      };
      return until(30_000, 'the stream to stand still', look, 200);
    }
  });
});
