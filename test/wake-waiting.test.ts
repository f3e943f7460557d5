import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ClientConfig } from '../src/config.ts';
import { MAX_CALLS } from '../src/fleet/wake-plan.ts';
import { modelKey } from '../src/ollama/names.ts';
import type { SimulatedOllamaOptions } from '../src/simulate/ollama.ts';
import { type Cluster, startCluster } from './_cluster.ts';
import { fasterClock } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { ask, chat } from './_simulate-client.ts';

/** The 90 s for which a machine may wake are 1.5 s. */
const FASTER = 60;
const HELLO = chat('m', 'hi');
const LOOPBACK = Object.entries(networkInterfaces()).find(([, infos]) =>
  infos?.some(({ address }) => address === '127.0.0.1'),
)?.[0] as string;

/** A client that has seen a server called attic with the model `m` before, which nobody will ever wake. */
async function startNear(
  address: string,
  client: Partial<ClientConfig>,
  ollamas: readonly SimulatedOllamaOptions[] = [],
): Promise<Cluster & { readonly calls: () => number }> {
  const folder = temporaryDirectory('wake');
  const path = join(folder.path, 'wake.json');
  const cards = [{ mac: '02:00:00:00:00:01', address }];
  const attic = {
    deviceId: 'a'.repeat(64),
    name: 'attic',
    cards,
    models: [modelKey('m')],
    seenAt: Date.now(),
    calls: 0,
  };
  writeFileSync(path, JSON.stringify({ version: 1, servers: [attic] }));
  const cluster = await startCluster({
    ollamas,
    client: { holdMs: 0, wake: true, interfaces: [LOOPBACK], dataDir: folder.path, ...client },
    clock: fasterClock(FASTER),
  });
  return {
    ...cluster,
    calls: () => JSON.parse(readFileSync(path, 'utf8')).servers[0].calls,
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

async function timed(cluster: Cluster, body: unknown = HELLO) {
  const begin = performance.now();
  const answer = await ask(cluster, '/api/chat', body);
  return { answer, virtualS: ((performance.now() - begin) * FASTER) / 1000 };
}

describe('a request whose model is on a server that sleeps', () => {
  it('waits 90 s, says who was woken, and nobody is called for ever', async () => {
    await using cluster = await startNear('127.0.0.9', {});
    for (let i = 1; i <= MAX_CALLS; i += 1) {
      const { answer, virtualS } = await timed(cluster);
      expect(answer.status).toBe(503);
      expect(answer.text).toMatch(/attic was woken 9\d s ago and is not there yet: is Wake-on-LAN on/);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(virtualS).toBeGreaterThan(89);
      expect(cluster.calls()).toBe(i);
    }
    expect(cluster.log.said('waking a server')).toHaveLength(MAX_CALLS);
    const { answer, virtualS } = await timed(cluster);
    expect([answer.status, answer.text]).toEqual([503, expect.not.stringMatching(/woken/)]);
    expect(virtualS).toBeLessThan(60);
  });

  it('joins a wait that is under way', async () => {
    await using cluster = await startNear('127.0.0.9', {});
    const all = await Promise.all([timed(cluster), timed(cluster), timed(cluster)]);
    for (const { answer } of all) expect(answer.text).toMatch(/attic was woken/);
    expect(cluster.calls()).toBe(1);
  });

  it('is not sent to a server without the model, nor pulled there', async () => {
    const other = { models: [{ name: 'n' }] };
    await using cluster = await startNear('127.0.0.9', { autoPull: true }, [other]);
    const { answer, virtualS } = await timed(cluster);
    expect([answer.status, answer.text]).toEqual([503, expect.stringMatching(/attic was woken/)]);
    expect(virtualS).toBeGreaterThan(89);
    const paths = cluster.ollamas[0]?.seen.map(({ path }) => path) ?? [];
    expect(paths.filter((path) => path === '/api/pull' || path === '/api/chat')).toEqual([]);
    // Whoever waits does not have lists read all the while.
    expect(paths.filter((path) => path === '/api/tags').length).toBeLessThan(60);
  });

  it.each([
    { what: 'to unload it', body: { model: 'm', keep_alive: 0 }, path: '/api/generate' },
    { what: 'to look at it', body: { model: 'm' }, path: '/api/show' },
  ])('wakes nobody $what', async ({ body, path }) => {
    await using cluster = await startNear('127.0.0.9', {});
    expect((await ask(cluster, path, body)).status).toBe(503);
    expect(cluster.calls()).toBe(0);
  });

  it.each([
    { what: 'nobody is woken on a network that this machine is not on', address: '198.51.100.9', client: {} },
    { what: 'nobody is woken unless that was asked for', address: '127.0.0.9', client: { wake: false } },
  ])('$what', async ({ address, client }) => {
    await using cluster = await startNear(address, client, [{ models: [{ name: 'n' }] }]);
    const { answer } = await timed(cluster);
    expect(answer.status).toBe(404);
    expect(cluster.calls()).toBe(0);
  });

  it('runs where the model is meanwhile', async () => {
    await using cluster = await startNear('127.0.0.9', {}, [{ models: [{ name: 'm' }] }]);
    const { answer } = await timed(cluster);
    expect([answer.status, answer.headers['x-ollana-server']]).toEqual([200, 'a']);
    expect(cluster.calls()).toBe(0);
  });
});
