import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../src/clock.ts';
import type { HealthReport, ReportedProblem } from '../src/observe/health/report.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { type Cluster, type ClusterOptions, listenOn, startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';

/** Time that a test can let pass at once; what is done from time to time is done 25 times as often. */
function leaping(): Clock & { skip(ms: number): void } {
  let skipped = 0;
  return {
    now: () => systemClock.now() + skipped,
    wall: () => systemClock.wall() + skipped,
    after: (ms, fn) => systemClock.after(ms, fn),
    every: (ms, fn) => systemClock.every(ms / 25, fn),
    skip(ms) {
      skipped += ms;
    },
  };
}

interface Stage extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly url: string;
  skip(ms: number): void;
  report(): Promise<HealthReport>;
  /** Resolves with the problem that the check has found. */
  found(check: string): Promise<ReportedProblem>;
  /** Resolves when no problem of the check is left. */
  solved(check: string): Promise<unknown>;
  /** Reads all lists at once. */
  sync(): Promise<unknown>;
  /** Runs a model; resolves with the status. */
  run(model?: string, more?: object): Promise<number>;
}

async function stage(options: ClusterOptions = {}): Promise<Stage> {
  const clock = leaping();
  const cluster = await startCluster({ ...options, clock });
  const { url } = cluster;
  const report = async () => (await call(url, '/dashboard/api/health')).json as HealthReport;
  const of = async (check: string) => (await report()).problems.find((one) => one.check === check);
  return {
    cluster,
    url,
    skip: clock.skip,
    report,
    found: (check) =>
      until(
        15_000,
        `${check} to be found`,
        async () => {
          clock.skip(2000);
          return of(check);
        },
        200,
      ),
    solved: (check) =>
      until(
        15_000,
        `${check} to be solved`,
        async () => {
          clock.skip(5000);
          return (await of(check)) === undefined;
        },
        200,
      ),
    sync: () => call(url, '/sync_servers', { method: 'POST', body: {} }),
    run: async (model = 'simulated', more = {}) => {
      const body = { model, prompt: 'hi', stream: false, ...more };
      return (await call(url, '/api/generate', { method: 'POST', body })).status;
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** What counts over a quarter of an hour is over. */
const QUARTER_MS = 17 * 60_000;

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

  it('answers that break off are told, and a server that breaks them off is degraded until it completes one', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    ollama?.faults.set({ kind: 'cut', afterLines: 1 });
    for (let i = 0; i < 3; i += 1) await it.run('simulated', { stream: true }).catch(() => undefined);
    expect(await it.found('incomplete-streams')).toMatchObject({
      server: 'a',
      seen: expect.stringMatching(/^[23] of [23]/),
    });
    expect(await it.found('server-degraded')).toMatchObject({ server: 'a' });
    ollama?.faults.clear();
    expect(await it.run()).toBe(200);
    await it.solved('server-degraded');
    it.skip(QUARTER_MS);
    await it.solved('incomplete-streams');
  });

  it('requests that fail are a rate', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    ollama?.faults.set({ kind: 'status', status: 500 });
    for (let i = 0; i < 6; i += 1) expect(await it.run()).toBe(500);
    ollama?.faults.clear();
    for (let i = 0; i < 6; i += 1) expect(await it.run()).toBe(200);
    expect(await it.found('error-rate')).toMatchObject({
      severity: 'critical',
      seen: expect.stringMatching(/^6 of 1/),
    });
    it.skip(QUARTER_MS);
    await it.solved('error-rate');
  });

  it('requests that are sent again are a rate', async () => {
    await using it = await stage({ ollamas: [{}, {}] });
    for (let i = 0; i < 10; i += 1) {
      // Whoever is asked first fails it; nobody stays away for that.
      for (const ollama of it.cluster.ollamas) ollama.faults.clear();
      const sick = it.cluster.ollamas[i % 2];
      sick?.faults.set({ kind: 'status', status: 503 }, { times: 1 });
      expect(await it.run('simulated', {})).toBe(200);
    }
    const { ollamas } = it.cluster;
    expect(
      ollamas.flatMap(({ seen }) => seen).filter(({ path }) => path === '/api/generate').length,
    ).toBeGreaterThan(12);
    expect(await it.found('retry-rate')).toMatchObject({ severity: 'warning' });
    for (const ollama of ollamas) ollama.faults.clear();
    it.skip(QUARTER_MS);
    await it.solved('retry-rate');
  });

  it('clients that leave are told, and those that wait in vain for half a minute besides', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    ollama?.faults.set({ kind: 'hang' });
    for (let i = 0; i < 5; i += 1) {
      const leave = new AbortController();
      const left = fetch(`${it.url}/api/generate`, {
        method: 'POST',
        body: JSON.stringify({ model: 'simulated', prompt: 'hi' }),
        signal: leave.signal,
      }).catch(() => 'left');
      await until(
        5000,
        'the request to arrive',
        () => ollama?.seen.filter(({ path }) => path === '/api/generate').length === i + 1,
      );
      if (i < 2) it.skip(31_000);
      leave.abort();
      expect(await left).toBe('left');
    }
    ollama?.faults.clear();
    for (let i = 0; i < 5; i += 1) await it.run();
    expect(await it.found('load-timeouts')).toMatchObject({
      model: 'simulated',
      seen: expect.stringMatching(/^2 of /),
    });
    expect(await it.found('client-disconnects')).toMatchObject({
      severity: 'info',
      seen: expect.stringMatching(/^5 of /),
    });
    it.skip(QUARTER_MS);
    await it.solved('load-timeouts');
    await it.solved('client-disconnects');
  });

  it('models that push each other out are told, and so is a model that does not fit into the GPU', async () => {
    const models = [
      { name: 'one', size: 4e9 },
      { name: 'two', size: 4e9 },
      { name: 'big', size: 40e9 },
    ];
    await using it = await stage({ ollamas: [{ models, memoryBytes: 6e9 }] });
    const [ollama] = it.cluster.ollamas;
    for (let i = 0; i < 8; i += 1) {
      const name = i % 2 ? 'two' : 'one';
      await it.run(name);
      await it.sync();
      const loaded = () => it.cluster.view(0).loaded.includes(`${name}:latest`);
      await until(5000, `${name} to be seen`, loaded);
      await until(2000, 'a look at it', async () => {
        const before = (await it.report()).lookedAt;
        return until(2000, 'the next look', async () => (await it.report()).lookedAt !== before);
      });
    }
    expect(await it.found('model-thrashing')).toMatchObject({ server: 'a', severity: 'warning' });
    it.skip(QUARTER_MS);
    await it.solved('model-thrashing');

    await it.run('big');
    await it.sync();
    expect(await it.found('memory-pressure')).toMatchObject({
      model: 'big:latest',
      seen: expect.stringContaining('85 %'),
    });
    await it.run('one');
    await until(5000, 'big to leave', () =>
      ollama?.models.loaded().every(({ name }) => name !== 'big:latest'),
    );
    await it.sync();
    await it.solved('memory-pressure');
  });

  it('contexts that change are told, and contexts that nobody fills', async () => {
    await using it = await stage({ ollamas: [{ models: [{ name: 'm', contextLength: 65_536 }] }] });
    for (const num_ctx of [65_536, 32_768, 65_536, 32_768]) {
      await it.run('m', { options: { num_ctx } });
      await it.sync();
      await until(3000, 'a look at it', async () => {
        const before = (await it.report()).lookedAt;
        return until(2000, 'the next look', async () => (await it.report()).lookedAt !== before);
      });
    }
    expect(await it.found('context-protection')).toMatchObject({
      remedy: { command: 'ollana --protect-context' },
      seen: expect.stringMatching(/^3 times .* to 32768/),
    });
    for (let i = 0; i < 20; i += 1) await it.run('m', { options: { num_ctx: 32_768 } });
    expect(await it.found('context-waste')).toMatchObject({
      model: 'm:latest',
      seen: expect.stringContaining('32768'),
    });
    const { recommendations } = (await call(it.url, '/dashboard/api/recommendations')).json;
    expect(recommendations).toMatchObject([{ kind: 'context', model: 'm:latest', server: 'a' }]);
    it.skip(QUARTER_MS);
    await it.solved('context-protection');
    await it.run('m', { options: { num_ctx: 4096 } });
    await it.sync();
    await it.solved('context-waste');
  });

  it('a favourite that is nowhere, and one that is loaded nowhere', async () => {
    await using it = await stage();
    const [ollama] = it.cluster.ollamas;
    for (let i = 0; i < 12; i += 1) expect(await it.run('wanted')).toBe(404);
    expect(await it.found('favourite-missing')).toMatchObject({ remedy: { command: 'ollana pull wanted' } });
    ollama?.models.add({ name: 'wanted' });
    await it.sync();
    expect(await it.found('favourite-cold')).toMatchObject({ model: 'wanted' });
    await it.solved('favourite-missing');
    await ollama?.load('wanted');
    await it.sync();
    await it.solved('favourite-cold');
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
