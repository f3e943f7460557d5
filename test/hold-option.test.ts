import { describe, expect, it } from 'vitest';
import { startCluster } from './_cluster.ts';
import { ask, chat } from './_simulate-client.ts';

const HELLO = chat('simulated', 'hi');

describe('without a server, a request waits as long as it was told to', () => {
  it.each([
    { holdMs: 0, path: '/api/chat', body: HELLO, least: 0, most: 500 },
    { holdMs: 700, path: '/api/chat', body: HELLO, least: 690, most: 3000 },
    { holdMs: 300, path: '/api/show', body: { model: 'simulated' }, least: 290, most: 1500 },
    { holdMs: 300, path: '/api/tags', body: undefined, least: 0, most: 1500 },
  ])('$holdMs ms at $path', async ({ holdMs, path, body, least, most }) => {
    await using cluster = await startCluster({ ollamas: [], client: { holdMs } });
    const begin = performance.now();
    const answer = await ask(cluster, path, body);
    const tookMs = performance.now() - begin;
    expect(tookMs).toBeGreaterThanOrEqual(least);
    expect(tookMs).toBeLessThan(most);
    if (path === '/api/tags') return;
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  });
});
