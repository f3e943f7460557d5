import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readPage } from '../src/observe/trace-query.ts';
import { RETENTION, TraceStore } from '../src/observe/trace-store.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { cli } from './_cli.ts';
import { startDaemon } from './_daemon.ts';
import { until } from './_deadline.ts';
import { run } from './_process.ts';

const CHAT = { model: 'llama3.3:70b', messages: [{ role: 'user', content: 'secret words' }], stream: false };

const withModel = (label: string) => startSimulatedOllama({ label, models: [{ name: 'llama3.3:70b' }] });

/** A laptop's ollana with two servers, which has been asked something as clients of the seeds do. */
async function asked() {
  const ollamas = [await withModel('a'), await withModel('b')];
  const args = ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback'];
  const servers = ollamas.flatMap(({ url }, i) => ['--server', `${url}=${'ab'[i]}`]);
  const daemon = await startDaemon({ args: [...args, ...servers] });
  const cluster = {
    url: daemon.url,
    dataDir: daemon.dataDir,
    stop: () => daemon.stop('SIGTERM'),
    [Symbol.asyncDispose]: async () => {
      await daemon[Symbol.asyncDispose]();
      for (const ollama of ollamas) await ollama[Symbol.asyncDispose]();
    },
  };
  await until(10_000, 'both servers', async () =>
    (await call(daemon.url, '/nodes')).json.every((node: { models: string[] }) => node.models.length === 1),
  );
  const chat = await call(cluster.url, '/api/chat', {
    method: 'POST',
    body: CHAT,
    headers: { 'X-Ollana-App': 'editor' },
  });
  expect(chat.status).toBe(200);
  const v1 = await call(cluster.url, '/v1/chat/completions', {
    method: 'POST',
    body: { ...CHAT, metadata: { tags: ['nightly'] } },
  });
  expect(v1.status).toBe(200);
  const none = await call(cluster.url, '/api/chat', {
    method: 'POST',
    body: { ...CHAT, model: 'nobody:1b' },
  });
  expect(none.status).toBe(404);
  await until(15_000, 'the traces', async () => (await call(cluster.url, '/logs')).json.length === 3);
  return { cluster, id: String(chat.headers['x-ollana-request-id']) };
}

describe('what the seeds document', { timeout: 60_000 }, () => {
  it('answers each curl and sqlite3 command in the documented shape, and no prompt anywhere', async () => {
    const { cluster, id } = await asked();
    await using _end = cluster;
    const curl = async (path: string) => {
      const { code, stdout } = await run('curl', ['-s', `${cluster.url}${path}`]);
      expect(code).toBe(0);
      expect(stdout).not.toContain('secret words');
      return JSON.parse(stdout);
    };
    // Seed 002: curl -s http://localhost:11435/fleet/status
    const fleet = await curl('/fleet/status');
    expect(fleet.nodes).toHaveLength(2);
    for (const node of fleet.nodes)
      expect(node).toMatchObject({
        status: 'online',
        cpu: { utilization_pct: null },
        memory: { used_pct: null },
        ollama: { models_loaded: expect.any(Array) },
      });
    expect(fleet.fleet).toMatchObject({ nodes_total: 2, nodes_online: 2 });
    const queues = Object.values(fleet.queues) as Record<string, number>[];
    expect(queues.length).toBeGreaterThan(0);
    for (const q of queues)
      for (const name of ['pending', 'in_flight', 'max_concurrent', 'done', 'failed'])
        expect(q[name]).toBeTypeOf('number');
    expect(queues.reduce((sum, q) => sum + Number(q.done), 0)).toBe(2);
    // What asked for a model that is nowhere is told of alike wherever requests are counted.
    const metrics = await (await fetch(`${cluster.url}/metrics`)).text();
    expect(metrics.match(/^ollana_requests_total\{.*outcome="refused".*\} 1$/gm)).toHaveLength(1);
    expect(metrics).not.toMatch(/^ollana_requests_total\{.*outcome="failed"/m);
    // curl -s "http://localhost:11435/dashboard/api/traces?limit=20"
    const { traces } = await curl('/dashboard/api/traces?limit=20');
    expect(traces).toHaveLength(3);
    const nowhere = traces.find(({ model }: { model: string }) => model === 'nobody:1b');
    expect(nowhere).toMatchObject({ status: 'refused', error_message: 'the server answered 404' });
    const ours = traces.find((one: { request_id: string }) => one.request_id === id);
    expect(ours).toMatchObject({
      model: 'llama3.3:70b',
      node_id: expect.any(String),
      status: 'completed',
      latency_ms: expect.any(Number),
      time_to_first_token_ms: expect.any(Number),
      prompt_tokens: expect.any(Number),
      completion_tokens: expect.any(Number),
      retry_count: 0,
      error_message: null,
      app: 'editor',
      client: expect.stringContaining('127.0.0.1'),
    });
    expect(ours.scores.map(({ chosen }: { chosen: boolean }) => chosen).filter(Boolean)).toHaveLength(1);
    expect(ours.scores).toHaveLength(2);
    // curl -s http://localhost:11435/dashboard/api/usage, and .../apps
    expect((await curl('/dashboard/api/usage')).rows).toMatchObject([
      { key: 'llama3.3:70b', requests: 2 },
      { key: 'nobody:1b', requests: 1, failed: 0 },
    ]);
    const { apps } = await curl('/dashboard/api/apps');
    expect(apps.map(({ key }: { key: string }) => key).sort()).toEqual(['', 'editor', 'nightly']);
    // Seed 003: GET /logs?limit=100, /healthz, /nodes
    const logs = await curl('/logs?limit=100');
    expect(Object.keys(logs[0]).slice(0, 12)).toEqual([
      ...[
        'timestamp',
        'request_ip',
        'endpoint',
        'method',
        'request_json',
        'node_id',
        'ip_version',
        'node_url',
      ],
      ...['status_code', 'success', 'error', 'duration_ms'],
    ]);
    expect(logs.find((one: { request_id: string }) => one.request_id === id)).toMatchObject({
      endpoint: '/api/chat',
      request_json: { model: 'llama3.3:70b' },
      ip_version: 'IPv4',
      status_code: 200,
      success: true,
      error: null,
    });
    expect(await curl('/logs?search=nobody&limit=5')).toMatchObject([{ success: false, status_code: 404 }]);
    expect(await curl('/healthz')).toEqual({ status: 'ok' });
    expect(await curl('/healthz?ready')).toEqual({ status: 'ok' });
    expect(await curl('/nodes')).toHaveLength(2);
    expect(await curl('/logs?limit=none')).toMatchObject({ error: expect.stringContaining('whole number') });
    expect(await curl('/logs?modle=x')).toMatchObject({
      error: expect.stringContaining('no parameter modle'),
    });
    // Seed 002: sqlite3 ~/.fleet-manager/latency.db "SELECT ..."
    const sqlite = (sql: string) => {
      const done = spawnSync('sqlite3', [join(cluster.dataDir, 'traces-client.db'), sql], {
        encoding: 'utf8',
      });
      expect(done.stderr).toBe('');
      return done.stdout
        .trim()
        .split('\n')
        .map((line) => line.split('|'));
    };
    if (spawnSync('sqlite3', ['--version']).status === 0) {
      const ended = (status: string) =>
        sqlite(
          `SELECT request_id, model, status, error_message, latency_ms/1000.0 as secs FROM request_traces WHERE status='${status}' ORDER BY timestamp DESC LIMIT 10`,
        );
      expect(ended('failed')).toEqual([['']]);
      // A model that is nowhere is the client's mistake, as metrics and the log have it.
      expect(ended('refused')).toEqual([
        [
          expect.stringMatching(/^[0-9a-f-]{36}$/),
          'nobody:1b',
          'refused',
          'the server answered 404',
          expect.any(String),
        ],
      ]);
      const retries = sqlite(
        'SELECT node_id, SUM(retry_count) as retries, COUNT(*) as total FROM request_traces GROUP BY node_id ORDER BY retries DESC',
      );
      expect(retries.reduce((sum, [, , total]) => sum + Number(total), 0)).toBe(3);
      const hours = sqlite(
        'SELECT CAST((timestamp % 86400) / 3600 AS INTEGER) as hour, COUNT(*) as requests FROM request_traces GROUP BY hour ORDER BY hour',
      );
      expect(hours.reduce((sum, [, n]) => sum + Number(n), 0)).toBe(3);
    } else if (process.env.OLLANA_NO_SKIP === '1')
      throw new Error('OLLANA_NO_SKIP=1, but sqlite3 is missing');
    expect(await call(cluster.url, '/dashboard/api/traces', { method: 'POST', body: {} })).toMatchObject({
      status: 405,
    });
  });

  it('keeps the request that ended just before ollana was told to end, which ends with 0', async () => {
    const { cluster } = await asked();
    await using _end = cluster;
    await call(cluster.url, '/api/chat', { method: 'POST', body: { ...CHAT, model: 'last:1b' } });
    expect(await cluster.stop()).toBe(0);
    const store = new TraceStore(
      { path: join(cluster.dataDir, 'traces-client.db'), isOther: () => false },
      RETENTION,
    );
    expect(readPage(store.db, { limit: 9 }).rows.map(({ model }) => model)).toContain('last:1b');
    store.close();
  });

  it('is shown by ollana logs, why and usage', async () => {
    const { cluster, id } = await asked();
    await using _end = cluster;
    const ollana = async (...args: string[]) => {
      const { code, stdout, stderr } = await cli([...args, '--data-dir', cluster.dataDir]);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      for (const line of stdout.split('\n'))
        expect(line.length).toBeLessThanOrEqual(args.includes('--json') ? 9e9 : 80);
      return stdout;
    };
    const logs = await ollana('logs');
    expect(logs.split('\n')).toHaveLength(5);
    expect(logs).toContain(id.slice(0, 8));
    expect(await ollana('logs', '--status', 'failed')).not.toContain('nobody:1b');
    expect(await ollana('logs', '--status', 'refused')).toMatch(/^\S+ +\S+ +refused +nobody:1b/m);
    const [line] = (await ollana('logs', '--model', 'llama3.3:70b', '--since', '1h', '--json')).split('\n');
    expect(JSON.parse(line ?? '')).toMatchObject({ model: 'llama3.3:70b' });
    const why = await ollana('why', id.slice(0, 8));
    expect(why).toContain(`request ${id}`);
    expect(why).toMatch(/-> [ab] /);
    expect(why).toContain('editor');
    expect(await ollana('why')).toContain('nobody:1b');
    expect(await ollana('usage', '--by', 'app')).toMatch(/editor +1 +0/);
    expect(await ollana('usage', '--by', 'day', '--csv')).toMatch(
      /^day,requests,failed,.*\r\n\d{4}-\d\d-\d\d,3,0,/,
    );
    expect(await cli(['why', 'xyz', '--data-dir', cluster.dataDir])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('request id'),
    });
  });
});
