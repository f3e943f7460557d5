import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Flags } from '../src/config/pick.ts';
import { resolveConfig } from '../src/config.ts';
import { startClient } from '../src/daemon/client.ts';
import { startServer } from '../src/daemon/server.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { clientConfig, commonConfig, TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { OUTSIDE } from './_settings.ts';
import { skipBecause } from './_skip.ts';

describe('the options', () => {
  const here = { platform: 'linux', homedir: '/home/jo', hostname: 'gpu', cwd: '/', uid: 1 } as const;
  const serve = (flags: Flags, env = {}) => resolveConfig({ ...here, mode: 'server', flags, env }).register;
  const client = (flags: Flags, env = {}) =>
    resolveConfig({ ...here, mode: 'client', flags, env }).acceptRegistrations;

  it('name whom to tell, and whether to listen', () => {
    expect(serve({ register: ['http://10.0.0.1:11435/', 'hub:11435'] })).toEqual([
      'http://10.0.0.1:11435',
      'http://hub:11435',
    ]);
    expect(serve({}, { OLLANA_REGISTER: 'a:1, b:2' })).toEqual(['http://a:1', 'http://b:2']);
    expect(serve({})).toBeUndefined();
    expect(() => serve({ register: ['hub'] })).toThrow(/bad register "hub" from --register: .*port/);
    expect(() => serve({ register: ['hub:1=x'] })).toThrow(/without a name/);
    expect([client({}), client({ 'accept-registrations': true })]).toEqual([undefined, true]);
    expect(client({}, { OLLANA_ACCEPT_REGISTRATIONS: '1' })).toBe(true);
  });
});

async function startHub(folder: string, more = {}) {
  const log = new TestLog();
  const daemon = await startClient(
    clientConfig(join(folder, 'hub'), { name: 'laptop', holdMs: 0, acceptRegistrations: true, ...more }),
    log,
  );
  return { daemon, log, url: daemon.url, [Symbol.asyncDispose]: () => daemon.stop() };
}

const beat = (url: string, body: unknown, more = {}) =>
  call(url, '/nodes/heartbeat', { method: 'POST', body, ...more });

describe('ollana serve --register', () => {
  it('is found by an ollana that no broadcast reaches, used, and found again after a restart of that', async () => {
    using folder = temporaryDirectory('register');
    await using ollama = await startSimulatedOllama({ models: [{ name: 'llama3' }] });
    const hub = await startHub(folder.path);
    const log = new TestLog();
    const config = commonConfig(join(folder.path, 'server'), { ollama: ollama.url, name: 'attic' });
    const server = await startServer(
      { ...config, mode: 'server', allow: new Set(), register: [hub.url] },
      log,
    );
    await until(3000, 'the server to be known', () => hub.daemon.status().servers[0]?.models.length === 1);
    expect(hub.daemon.status().servers).toMatchObject([
      { name: 'attic', url: server.url, kind: 'ollana', sources: ['heartbeat'], verdict: 'reliable' },
    ]);
    expect(hub.log.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      { message: expect.stringContaining('--host 0.0.0.0'), fields: { host: '127.0.0.1' } },
    ]);
    const ran = await call(hub.url, '/api/generate', {
      method: 'POST',
      body: { model: 'llama3', prompt: 'hi', stream: false },
    });
    expect(ran).toMatchObject({ status: 200, headers: { 'x-ollana-server': 'attic' } });
    expect(log.said('registered')).toEqual([{ at: hub.url }]);
    await server.stop();
    await hub[Symbol.asyncDispose]();
  });

  it('says once that it is refused, and why', async () => {
    using folder = temporaryDirectory('register');
    await using ollama = await startSimulatedOllama({});
    await using hub = await startHub(folder.path, { acceptRegistrations: false });
    const log = new TestLog();
    const config = commonConfig(join(folder.path, 'server'), { ollama: ollama.url });
    const server = await startServer(
      { ...config, mode: 'server', allow: new Set(), register: [hub.url] },
      log,
    );
    const warned = () => log.said('cannot register, trying on: is it the address of an ollana?');
    await until(3000, 'the refusal', () => warned().length === 1);
    expect(warned()).toEqual([{ at: hub.url, reason: expect.stringContaining('--accept-registrations') }]);
    expect(hub.daemon.status().servers).toEqual([]);
    await server.stop();
  });
});

describe('POST /nodes/heartbeat', () => {
  const BEAT = { node_id: 'x', port: 9, models: [] };

  it('is refused without the option, in server mode, from foreign pages, and when it makes no sense', async () => {
    using folder = temporaryDirectory('hub');
    await using ollama = await startSimulatedOllama({});
    await using shut = await startHub(join(folder.path, 'a'), { acceptRegistrations: undefined });
    await using hub = await startHub(join(folder.path, 'b'));
    const config = commonConfig(join(folder.path, 'server'), { ollama: ollama.url });
    const server = await startServer({ ...config, mode: 'server', allow: new Set() }, new TestLog());
    expect(await beat(shut.url, BEAT)).toMatchObject({
      status: 403,
      json: { detail: expect.stringContaining('--accept-registrations') },
    });
    expect((await beat(server.url, BEAT)).json.detail).toMatch(/server mode/);
    expect((await beat(hub.url, BEAT, { headers: { Origin: 'http://localhost:3000' } })).status).toBe(403);
    for (const body of [{ port: 1 }, { node_id: 'x' }, [], '{', undefined])
      expect(await beat(hub.url, body)).toMatchObject({ status: 400, json: { detail: /./ } });
    expect((await beat(hub.url, 'x'.repeat(600_000))).status).toBe(413);
    expect((await beat(hub.url, 'x', { headers: { 'Content-Type': 'text/plain' } })).status).toBe(415);
    expect(hub.daemon.status().servers).toEqual([]);
    expect(await beat(hub.url, BEAT)).toMatchObject({
      status: 200,
      json: { node_id: 'x', status: 'ok', url: 'http://127.0.0.1:9' },
    });
    await server.stop();
  });
});

describe('another machine', () => {
  skipBecause(OUTSIDE === undefined ? 'this machine has no address but loopback' : undefined);

  it('may register, is believed by its own address, and may not name servers nor remove them', async () => {
    using folder = temporaryDirectory('hub');
    await using hub = await startHub(folder.path, { host: '0.0.0.0' });
    const url = `http://${OUTSIDE}:${new URL(hub.url).port}`;
    const answer = await beat(url, { node_id: 'x', port: 9, ipv4: '127.0.0.1', ipv6: '::1' });
    expect(answer).toMatchObject({ status: 200, json: { url: `http://${OUTSIDE}:9` } });
    const strange = await call(url, '/add_server', { method: 'POST', body: { url: 'http://127.0.0.1:9' } });
    expect(strange).toMatchObject({ status: 403, json: { error: expect.stringContaining('this machine') } });
    expect((await call(url, '/servers/x', { method: 'DELETE' })).status).toBe(403);
    expect((await call(url, '/sync_servers', { method: 'POST' })).status).toBe(403);
    expect(hub.daemon.status().servers.map((one) => one.url)).toEqual([`http://${OUTSIDE}:9`]);
  });
});
