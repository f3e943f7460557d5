import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BenchmarkNow, BenchmarkReport, BenchmarkRun } from '../src/observe/benchmark/run.ts';
import type { SeenRequest } from '../src/simulate/seen.ts';
import { type Answered, call } from './_api.ts';
import { type Cluster, type ClusterOptions, startCluster, TOPOLOGIES } from './_cluster.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until, within } from './_deadline.ts';

const PATH = '/dashboard/api/benchmarks';
/** More tokens than any prompt asks for. */
const answer = 'one two three four '.repeat(100);
const MODEL = { name: 'm', tokensPerSecond: 400, prefillPerSecond: 2000, loadMs: 300 };
/** Timers are late on a busy machine, never early. */
const [LEAST, MOST] = [0.4, 1.2];
const isChat = ({ path }: { path: string }) => path === '/api/chat';
const isWriting = ({ path, body }: SeenRequest) =>
  path === '/api/chat' && body?.includes('lighthouse') === true;

const start = (url: string, body: unknown = {}, headers = {}): Promise<Answered> =>
  call(url, PATH, { method: 'POST', body, headers });
const now = async (url: string): Promise<BenchmarkNow> => (await call(url, `${PATH}/current`)).json;
const report = async (url: string): Promise<BenchmarkReport> => (await call(url, PATH)).json;
const chatsAt = (cluster: Cluster, at: number) => cluster.ollamas[at]?.seen.filter(isChat) ?? [];

/** Starts one and waits for its end. */
async function measured(url: string, body: unknown = {}): Promise<BenchmarkRun> {
  const { status, json } = await start(url, body);
  expect(status).toBe(202);
  return until(15_000, 'the benchmark to end', async () => {
    const { last } = await now(url);
    return last && last.id === json.id ? last : undefined;
  });
}

describe.each(TOPOLOGIES)('a benchmark ($path)', ({ serve }) => {
  it('measures what models at servers can do, and has the choice learn it', async () => {
    await using cluster = await startCluster({
      serve,
      ollamas: [
        { models: [MODEL], answer },
        { models: [{ ...MODEL, tokensPerSecond: 800, prefillPerSecond: 4000 }], answer },
      ],
      loaded: [undefined, 'm'],
    });
    const plan = await call(cluster.url, `${PATH}/plan?model=m`);
    expect(plan.json).toMatchObject({ servers: 2, loads: 1, targets: [{ cold: true }, { cold: false }] });
    expect(plan.json.gpuMs).toBeGreaterThan(0);
    const run = await measured(cluster.url, { models: ['m'] });
    expect(run).toMatchObject({ state: 'done', rows: [{ server: 'a' }, { server: 'b' }] });
    const [a, b] = run.rows;
    for (const [row, speed] of [
      [a, 1],
      [b, 2],
    ] as const) {
      expect(row).toMatchObject({ state: 'done', error: null, model: 'm:latest' });
      expect(row?.decodePerS).toBeGreaterThan(400 * speed * LEAST);
      expect(row?.decodePerS).toBeLessThan(400 * speed * MOST);
      expect(row?.prefillPerS).toBeGreaterThan(2000 * speed * LEAST);
      expect(row?.prefillPerS).toBeLessThan(2000 * speed * MOST);
      expect(row?.firstTokenMs).toBeLessThan(300);
    }
    expect(a?.loadMs).toBeGreaterThanOrEqual(290);
    expect(a?.loadMs).toBeLessThan(2000);
    expect(b?.loadMs).toBeNull();
    // One at a time at each server.
    for (const { stats } of cluster.ollamas) expect(stats().maxActive).toBe(1);
    const known = await until(5000, 'the speeds to be learned', async () => {
      const { json } = await call(cluster.url, `${PATH}/plan?server=b`);
      return json.gpuMs < 2000 && json;
    });
    expect(known.targets).toHaveLength(1);
  });

  it('is cancelled at once, at the servers too, and is told as partial', async () => {
    await using cluster = await startCluster({
      serve,
      ollamas: [{ models: [MODEL, { name: 'n' }], answer }],
      loaded: ['m'],
    });
    cluster.ollamas[0]?.faults.set({ kind: 'stall', afterLines: 3 }, { match: isWriting });
    const { json } = await start(cluster.url);
    await until(5000, 'two answers to have ended', async () => {
      const { current } = await now(cluster.url);
      return current?.rows[0]?.asked === 2;
    });
    await cluster.ollamas[0]?.onceSeen(isWriting);
    const gone = cluster.ollamas[0]?.onceAborted(isWriting);
    const other = await call(cluster.url, PATH, { method: 'DELETE', body: { id: 'another' } });
    expect(other.status).toBe(404);
    const ended = await call(cluster.url, PATH, { method: 'DELETE', body: { id: json.id } });
    expect(ended.status).toBe(200);
    await within(2000, 'the request at the server to end', gone ?? Promise.reject());
    expect(ended.json.run).toMatchObject({
      id: json.id,
      state: 'cancelled',
      rows: [
        { model: 'm:latest', state: 'cancelled', asked: 2, decodePerS: null },
        { model: 'n:latest', state: 'cancelled', asked: 0 },
      ],
    });
    expect(ended.json.run.rows[0].prefillPerS).toBeGreaterThan(0);
    expect(await now(cluster.url)).toMatchObject({ current: null, last: { id: json.id } });
    expect((await report(cluster.url)).history).toMatchObject([{ id: json.id, state: 'cancelled' }]);
    expect((await call(cluster.url, PATH, { method: 'DELETE' })).status).toBe(404);
  });
});

const ONE: ClusterOptions = { ollamas: [{ models: [MODEL], answer }], loaded: ['m'] };

describe('benchmarks', () => {
  it('start when asked only, one at a time', async () => {
    await using cluster = await startCluster(ONE);
    cluster.ollamas[0]?.faults.set({ kind: 'hang' });
    expect((await call(cluster.url, `${PATH}/plan`)).status).toBe(200);
    expect(await report(cluster.url)).toEqual({ current: null, last: null, history: [], trouble: null });
    expect(chatsAt(cluster, 0)).toEqual([]);
    expect((await start(cluster.url)).status).toBe(202);
    const second = await start(cluster.url);
    expect(second.status).toBe(409);
    expect(second.json.error).toMatch(/a benchmark is running since .*: wait for its end, or cancel it/);
    await cluster.ollamas[0]?.onceSeen(isChat);
    expect(chatsAt(cluster, 0)).toHaveLength(1);
  });

  it('say what failed, and go on with the rest', async () => {
    await using cluster = await startCluster({
      ollamas: [{ models: [{ name: 'bad' }, { name: 'good' }] }, { models: [{ name: 'good' }] }],
      loaded: ['bad'],
    });
    const isBad = ({ path, body }: SeenRequest) =>
      path === '/api/chat' && body?.includes('bad:latest') === true;
    cluster.ollamas[0]?.faults.set(
      { kind: 'error-line', afterLines: 2, message: 'out of memory' },
      { match: isBad },
    );
    const run = await measured(cluster.url);
    expect(run).toMatchObject({
      state: 'done',
      rows: [
        { server: 'a', model: 'bad:latest', state: 'failed', error: expect.stringMatching('out of memory') },
        { server: 'a', model: 'good:latest', state: 'done' },
        { server: 'b', model: 'good:latest', state: 'done' },
      ],
    });
  });

  it('do not wait for a server that has gone', async () => {
    await using cluster = await startCluster({
      ollamas: [{ models: [MODEL, { name: 'n' }, { name: 'o' }] }],
      loaded: ['m'],
    });
    cluster.ollamas[0]?.faults.set({ kind: 'hang' }, { match: isChat });
    await start(cluster.url);
    await cluster.ollamas[0]?.onceSeen(isChat);
    await cluster.ollamas[0]?.stop();
    const began = performance.now();
    const { last } = await until(15_000, 'the benchmark to end', async () => {
      const found = await now(cluster.url);
      return found.last ? found : undefined;
    });
    expect(last?.rows.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed']);
    for (const { error } of last?.rows ?? []) expect(error).toBeTruthy();
    expect(performance.now() - began).toBeLessThan(12_000);
  });

  it.each([
    ['text', { body: '{}', headers: { 'Content-Type': 'text/plain' } }, 415],
    ['no body', {}, 400],
    ['an unknown member', { body: { model: ['m'] } }, 400],
    ['too many rounds', { body: { rounds: 11 } }, 400],
    ['names that are none', { body: { models: 'm' } }, 400],
    ['a model nobody has', { body: { models: ['zz'] } }, 404],
    ['a page of another address', { body: {}, headers: { Origin: 'http://localhost:9999' } }, 403],
    ['another ollana', { body: {}, headers: { Via: '1.1 ollana-client-0123' } }, 403],
  ])('are refused to %s', async (_, asked, status) => {
    await using cluster = await startCluster(ONE);
    const refused = await call(cluster.url, PATH, { method: 'POST', ...asked });
    expect(refused.status).toBe(status);
    expect(refused.json.error).toBeTruthy();
    expect((await now(cluster.url)).current).toBeNull();
    expect(chatsAt(cluster, 0)).toEqual([]);
  });

  it('run in server mode at the Ollama of this machine, and keep apart what they find', async () => {
    await using cluster = await startCluster({ ...ONE, serve: true });
    const url = cluster.servers[0]?.url ?? '';
    await until(5000, 'the server to have read the list of its Ollama', async () => {
      return (await call(url, `${PATH}/plan`)).status === 200;
    });
    expect(await measured(url)).toMatchObject({ rows: [{ server: 'a', model: 'm:latest', state: 'done' }] });
    expect((await report(url)).history).toHaveLength(1);
    expect((await report(cluster.url)).history).toEqual([]);
  });

  it('run where API keys are required', async () => {
    await using cluster = await startCluster({ ...ONE, client: { requireKey: true } });
    expect(await measured(cluster.url)).toMatchObject({ rows: [{ state: 'done' }] });
  });

  it('end with the daemon, which keeps them for the next one', async () => {
    using folder = temporaryDirectory('benchmarks');
    const options: ClusterOptions = { ...ONE, client: { dataDir: folder.path } };
    await using first = await startCluster(options);
    const whole = await measured(first.url);
    first.ollamas[0]?.faults.set({ kind: 'stall', afterLines: 1 }, { match: isChat });
    const gone = first.ollamas[0]?.onceAborted(isChat);
    await start(first.url);
    await until(5000, 'an answer to have begun', () => chatsAt(first, 0).length > 3);
    // It would wait for as long as this for an app's request.
    await within(5000, 'the daemon to end', first.client.drain(60_000));
    await gone;
    await using second = await startCluster(options);
    expect((await report(second.url)).history.at(-1)).toEqual({
      ...whole,
      rows: whole.rows.map((row) => ({
        ...row,
        firstTokenMs: expect.closeTo(row.firstTokenMs ?? 0, 0),
        prefillPerS: expect.closeTo(row.prefillPerS ?? 0, 0),
        decodePerS: expect.closeTo(row.decodePerS ?? 0, 0),
      })),
    });
  });

  it('keep going where the file of earlier ones is broken, and say so', async () => {
    using folder = temporaryDirectory('benchmarks');
    const file = join(folder.path, 'benchmarks-client.json');
    writeFileSync(file, '{"version":1,"runs":');
    await using cluster = await startCluster({ ...ONE, client: { dataDir: folder.path } });
    const before = await report(cluster.url);
    expect(before.history).toEqual([]);
    expect(before.trouble).toMatch(/earlier benchmarks cannot be read from .*benchmarks-client\.json/);
    const { id } = await measured(cluster.url);
    expect(await report(cluster.url)).toMatchObject({ history: [{ id }], trouble: null });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ version: 1, runs: [{ id }] });
  });

  it('say where others used a server at the same time', async () => {
    await using cluster = await startCluster({
      ollamas: [{ models: [{ ...MODEL, tokensPerSecond: 200 }], answer }],
      loaded: ['m'],
      serve: true,
    });
    const app = call(cluster.url, '/api/chat', {
      method: 'POST',
      body: { model: 'm', messages: [{ role: 'user', content: 'Hello' }], options: { num_predict: 350 } },
    });
    await cluster.ollamas[0]?.onceSeen(isChat);
    const run = await measured(cluster.url);
    await app;
    expect(run.rows[0]).toMatchObject({ state: 'done', shared: true });
  });
});
