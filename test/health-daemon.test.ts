import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { startCluster } from './_cluster.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { stage } from './_health-daemon.ts';

describe('the health of a whole daemon', () => {
  it('is whole where nothing is wrong, and costs the GPU nothing', async () => {
    await using it = await stage({ ollamas: [{}, {}] });
    await until(5000, 'a look', async () => (await it.report()).lookedAt !== null);
    it.skip(10_000);
    const report = await until(5000, 'another look', async () => {
      const now = await it.report();
      return now.lookedAt !== null && now;
    });
    expect(report).toMatchObject({ score: 100, status: 'healthy', problems: [] });
    expect(report.checks.length).toBeGreaterThanOrEqual(25);
    for (const { seen, stats } of it.cluster.ollamas) {
      expect(new Set(seen.map(({ path }) => path))).not.toContain('/api/generate');
      expect(stats().loads).toBe(0);
    }
  });

  it('a server that dies is offline, and the last one leaves none; both end when it is back, and the log says so', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    await ollama?.stop();
    const problem = await it.found('server-offline');
    expect(problem).toMatchObject({
      severity: 'warning',
      server: 'a',
      remedy: { command: 'ollana serve -d', on: 'a' },
    });
    expect((await it.found('no-server')).severity).toBe('critical');
    expect((await it.report()).status).toBe('critical');
    await ollama?.start();
    await it.solved('server-offline');
    await it.solved('no-server');
    expect((await it.report()).score).toBe(100);
    const began = it.cluster.log.said('problem');
    expect(began.map(({ id }) => id)).toContain('no-server');
    expect(it.cluster.log.said('problem solved').map(({ id }) => id)).toContain('no-server');
  });

  it('copies that differ and versions that differ', async () => {
    const digest = (digit: string) => digit.repeat(64);
    await using it = await stage({
      ollamas: [
        { version: '0.17.4', models: [{ name: 'm', digest: digest('a') }] },
        { version: '0.11.0', models: [{ name: 'm', digest: digest('b') }] },
      ],
    });
    expect(await it.found('digest-conflict')).toMatchObject({
      remedy: { command: 'ollana pull m:latest --all', on: null },
    });
    expect(await it.found('version-mismatch')).toMatchObject({ server: 'b', remedy: { on: 'b' } });
    const port = it.cluster.ollamas[1]?.port ?? 0;
    await it.cluster.ollamas[1]?.stop();
    await using _newer = await startSimulatedOllama({
      port,
      version: '0.17.5',
      models: [{ name: 'm', digest: digest('a') }],
    });
    await it.solved('digest-conflict');
    await it.solved('version-mismatch');
  });

  it('another program at the address of a server', async () => {
    const other = await listenOn(createServer((_request, response) => void response.writeHead(404).end()));
    await using it = await stage({ servers: [`${other.url}=attic`] });
    const problem = await it.found('port-clash');
    expect(problem).toMatchObject({ server: 'attic', seen: expect.stringContaining('is not an Ollama') });
    const port = Number(new URL(other.url).port);
    await other[Symbol.asyncDispose]();
    await using _real = await startSimulatedOllama({ port });
    await it.solved('port-clash');
  });
});

it('is for this machine in server mode, and takes GET', async () => {
  await using cluster = await startCluster({ serve: true });
  const [server] = cluster.servers;
  const answer = await call(server?.url ?? '', '/dashboard/api/health', { method: 'POST', body: {} });
  expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET' } });
  expect((await call(server?.url ?? '', '/dashboard/api/health')).status).toBe(200);
});
