import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startClient } from '../src/daemon/client.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { startCluster } from './_cluster.ts';
import { clientConfig, TestLog } from './_cluster-config.ts';
import { deadUrl } from './_cluster-upstream.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { a, nameServer, srv } from './_dns.ts';
import { fleetOf } from './_fleet.ts';
import { add, remove } from './_server-paths.ts';

describe('POST /sync_servers', () => {
  it.each([false, true])('asks for servers anew, in server mode as in client mode (%j)', async (serve) => {
    const name = '_ollama._tcp.gpu.example';
    const other = await startSimulatedOllama({ models: [{ name: 'far' }], label: 'far' });
    let records = [srv(name, 'gpu1.example', 9, 0, 86_400)];
    await using dns = await nameServer(({ type }) =>
      type === 'SRV'
        ? { answers: records, additionals: [a('gpu1.example', '127.0.0.1', 86_400)] }
        : { code: 3 },
    );
    const discover = [`dns:${name}@127.0.0.1:${dns.port}`];
    await using cluster = await startCluster(
      serve ? { serve, server: { discover } } : { client: { discover } },
    );
    await using _ = other;
    const { url } = serve ? cluster.servers[0]! : cluster;
    await until(2000, 'the first answer', () => dns.asked.length > 0);
    records = [srv(name, 'gpu1.example', Number(new URL(other.url).port), 0, 86_400)];
    // A name is asked for once a second at most.
    await until(3000, 'the new record to be read', async () => {
      expect((await call(url, '/sync_servers', { method: 'POST' })).status).toBe(200);
      const { json } = await call(url, '/status', { method: 'GET' });
      return (json as { servers: { url: string }[] }).servers.some((one) => one.url === other.url);
    });
  });

  it('answers when every list has been read again', async () => {
    await using cluster = await startCluster({ ollamas: [{}, {}] });
    cluster.ollamas[1]!.models.add({ name: 'brand-new' });
    const { status, json } = await call(cluster.url, '/sync_servers', { method: 'POST' });
    expect({ status, healthy: json.healthy, dead: json.dead }).toEqual({ status: 200, healthy: 2, dead: 0 });
    expect(json.servers[1].models).toContain('brand-new:latest');
  });
});

describe('GET /status', () => {
  it('tells of all servers and how many of them answer', async () => {
    await using cluster = await startCluster({ servers: [`${await deadUrl()}=off`] });
    const { status, json } = await call(cluster.url, '/status');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      status: 'ok',
      healthy: 1,
      dead: 1,
      mode: 'client',
      servers: [
        { name: 'a', verdict: 'reliable' },
        { name: 'off', verdict: 'unreliable' },
      ],
    });
  });
});

describe('servers that are kept', () => {
  const client = (dataDir: string, log = new TestLog()) =>
    startClient(clientConfig(dataDir, { holdMs: 0 }), log);

  it('are there after a restart, the others are not; the file is private', async () => {
    using folder = temporaryDirectory('kept');
    await using one = await startSimulatedOllama({});
    await using two = await startSimulatedOllama({});
    const first = await client(folder.path);
    await add(first.url, { url: one.url, name: 'attic = top', keep: true });
    await add(first.url, { url: two.url, name: 'gone' });
    await first.stop();
    const file = join(folder.path, 'client-added.json');
    expect(JSON.parse(readFileSync(file, 'utf8')).servers).toEqual([{ url: one.url, name: 'attic = top' }]);
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);

    const second = await client(folder.path);
    await until(3000, 'the kept one', () => second.status().servers[0]?.version !== undefined);
    expect(second.status().servers.map(({ name }) => name)).toEqual(['attic = top']);
    // What is kept stays so until it is removed.
    expect((await add(second.url, { url: one.url })).json).toMatchObject({ kept: true, added: false });
    expect((await remove(second.url, 'attic = top')).status).toBe(200);
    await second.stop();
    const third = await client(folder.path);
    expect(third.status().servers).toEqual([]);
    await third.stop();
  });

  it.each([
    ['{"version":1,"servers":[{"url":"http://gpu1:1"},', /JSON/],
    ['{"version":2,"servers":[]}', /version/],
    ['{"version":1,"servers":[{"url":"gpu1"}]}', /port/],
    ['null', /version/],
  ])('of a file that says %j are put aside with a notice, and nothing is lost', async (text, reason) => {
    using folder = temporaryDirectory('kept');
    const file = join(folder.path, 'client-added.json');
    writeFileSync(file, text);
    const log = new TestLog();
    const daemon = await client(folder.path, log);
    const [aside] = readdirSync(folder.path).filter((name) => name.startsWith('client-added.json.bad-'));
    expect(readFileSync(join(folder.path, aside!), 'utf8')).toBe(text);
    expect(log.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      {
        message: expect.stringContaining('ollana add --keep'),
        fields: { file, reason: expect.stringMatching(reason), movedTo: join(folder.path, aside!) },
      },
    ]);
    expect((await add(daemon.url, { url: await deadUrl(), keep: true })).status).toBe(201);
    await daemon.stop();
    expect(existsSync(file)).toBe(true);
  });

  it('that cannot be written are refused whole', async () => {
    using folder = temporaryDirectory('kept');
    const daemon = await client(folder.path);
    await mkdir(join(folder.path, 'client-added.json', 'x'), { recursive: true });
    const answer = await add(daemon.url, { url: 'http://127.0.0.1:9', keep: true });
    expect(answer).toMatchObject({ status: 500, json: { error: expect.stringMatching(/cannot write/) } });
    expect(daemon.status().servers).toEqual([]);
    expect((await remove(daemon.url, 'http://127.0.0.1:9')).status).toBe(404);
    expect(readdirSync(folder.path).filter((name) => /added\.json\.\d+$/.test(name))).toEqual([]);
    await daemon.stop();
  });
});

it('what the user calls a server comes before what others call it', async () => {
  await using it = await fleetOf(1);
  const { url, name } = it.fleet.servers()[0]!;
  expect(name).toBe(new URL(url).host);
  it.fleet.sight({ source: 'static', url, leaseMs: 0 });
  it.fleet.sight({ source: 'udp', url, name: 'gpu-box', leaseMs: 60_000 });
  await until(2000, 'its own name', () => it.fleet.servers()[0]?.name === 'gpu-box');
  it.fleet.sight({ source: 'static', url, name: 'attic', leaseMs: Number.POSITIVE_INFINITY });
  it.fleet.refresh();
  await until(2000, 'the user’s name', () => it.fleet.servers()[0]?.name === 'attic');
  it.fleet.sight({ source: 'static', url, leaseMs: 0 });
  await until(2000, 'its own name again', () => it.fleet.servers()[0]?.name === 'gpu-box');
});
