import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Flags } from '../src/config/pick.ts';
import { resolveConfig } from '../src/config.ts';
import { startClient } from '../src/daemon/client.ts';
import { nextBeatMs, Registrar, type RegistrarOptions } from '../src/daemon/register.ts';
import { startServer } from '../src/daemon/server.ts';
import { readHeartbeat } from '../src/discovery/heartbeat.ts';
import type { Interfaces } from '../src/discovery/interfaces.ts';
import { isNeighbour, plainAddress, reachableAddresses, urlAt } from '../src/discovery/neighbours.ts';
import { Registrations } from '../src/discovery/registrations.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { call } from './_api.ts';
import { ManualClock, Sightings } from './_beacon.ts';
import { clientConfig, commonConfig, listenOn, TestLog } from './_cluster.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { info } from './_mdns.ts';
import { skipBecause } from './_skip.ts';

const LAN: Interfaces = {
  lo: [info('127.0.0.1/8'), info('::1/128')],
  eth0: [
    info('169.254.7.7/16'),
    info('192.168.1.5/24'),
    info('fe80::5/64'),
    info('2001:db8:1::5/64'),
    info('fd00:ec2::5/64'),
  ],
  tunnel: [info('10.8.0.2/0'), info('fd99::2/0')],
};

describe('an address that a peer names', () => {
  it.each(['192.168.1.7', '2001:db8:1::7'])('%s is a neighbour', (address) => {
    expect(isNeighbour(address, LAN)).toBe(true);
  });

  it.each([
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::', '::ffff:192.168.1.7', '::192.168.1.7'],
    ...['169.254.169.254', '169.254.7.8', 'fd00:ec2::254', 'fe80::7', 'fe80::7%eth0'],
    ...['224.0.0.1', '255.255.255.255', 'ff02::1', '64:ff9b::c0a8:107', '2002:c0a8:107::1'],
    ...['192.168.2.7', '8.8.8.8', '10.9.9.9', '2001:db8:2::7', '192.168.1.0', '192.168.1.255'],
    ...[
      '192.168.1.5',
      '2001:db8:1::5',
      'localhost',
      'gpu1',
      '',
      '192.168.1.7:80',
      '0xc0a80107',
      '3232235783',
    ],
  ])('%j is not', (address) => {
    expect(isNeighbour(address, LAN)).toBe(false);
  });

  it.each(['192.168.1.99', '2001:db8:1::99', '2001:db8:1:0::99'])(
    '%s is not where we have it on loopback, as the machines behind a load balancer do',
    (address) => {
      const extra = [info('192.168.1.99/32'), info('2001:db8:1::99/128')];
      const virtual = extra.map((one) => ({ ...one, internal: true }));
      expect(isNeighbour(address, { ...LAN, lo: [...(LAN.lo ?? []), ...virtual] })).toBe(false);
      expect(isNeighbour(address, LAN)).toBe(true);
    },
  );

  it('and of a connection are written as in a URL', () => {
    expect(plainAddress('::ffff:10.0.0.7')).toBe('10.0.0.7');
    expect(urlAt('fd00::7', 11435)).toBe('http://[fd00::7]:11435');
    expect(urlAt('10.0.0.7', 80)).toBe('http://10.0.0.7');
    expect(urlAt('fe80::7%eth0', 11435)).toBeUndefined();
    expect(reachableAddresses(LAN)).toEqual({ ipv4: '192.168.1.5', ipv6: '2001:db8:1::5' });
    expect(reachableAddresses({})).toEqual({});
  });
});

describe('the body of a heartbeat', () => {
  it('of the seed system is understood, whatever stands beside it', () => {
    const beat = readHeartbeat({
      node_id: 'ollama-node-1',
      ipv4: '192.168.1.100',
      ipv6: '2401:4900::1a5b',
      port: 8001,
      models: ['qwen2.5:7b', 'llama3'],
      metadata: { hostname: 'node1', cores: 8 },
      load: { cpu: 0.25, memory: 0.45 },
      cloudflare_url: 'https://evil.example',
    });
    expect(beat).toEqual({
      nodeId: 'ollama-node-1',
      ipv4: '192.168.1.100',
      ipv6: '2401:4900::1a5b',
      port: 8001,
      models: ['qwen2.5:7b', 'llama3'],
      metadata: { hostname: 'node1' },
      load: { cpu: 0.25, memory: 0.45 },
    });
  });

  it.each([
    [{ port: 1 }, /node_id/],
    [{ node_id: '', port: 1 }, /node_id/],
    [{ node_id: '\u001b\u0007', port: 1 }, /node_id/],
    [{ node_id: 'x'.repeat(129), port: 1 }, /node_id/],
    [{ node_id: 'x' }, /port/],
    [{ node_id: 'x', port: 0 }, /port/],
    [{ node_id: 'x', port: 70_000 }, /port/],
    [{ node_id: 'x', port: '80' }, /port/],
  ])('%j is refused', (body, reason) => {
    expect(() => readHeartbeat(body)).toThrow(reason);
  });

  it('is bounded, and nonsense in it is left out', () => {
    const rows = Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'v'.repeat(5000)]);
    const beat = readHeartbeat({
      node_id: 'x',
      port: 1,
      ipv4: {},
      ipv6: 'f'.repeat(99),
      models: [7, '', 'a b', '\u001b[2J', 'm'.repeat(600), ...rows.map(([key]) => key)],
      metadata: JSON.parse(
        `{"__proto__":"x","hostname":"a\\u001bb",${JSON.stringify(Object.fromEntries(rows)).slice(1)}`,
      ),
      load: { cpu: 7, memory: 'x' },
    });
    expect(beat).toMatchObject({ ipv4: undefined, ipv6: undefined, load: { cpu: null, memory: null } });
    expect([beat.models.length, beat.models[0]]).toEqual([512, 'k0']);
    expect(Object.keys(beat.metadata).length).toBeLessThanOrEqual(16);
    expect(beat.metadata.hostname).toBe('ab');
    expect(Object.values(beat.metadata).every((value) => value.length <= 256)).toBe(true);
  });
});

function registrations(isSame: (url: string, other: string) => boolean = () => true) {
  const clock = new ManualClock();
  const sightings = new Sightings();
  const asked: string[] = [];
  const source = new Registrations({
    clock,
    onSighting: sightings.add,
    interfaces: () => LAN,
    isSameDevice: async (url, other) => {
      asked.push(other);
      return isSame(url, other);
    },
  });
  const hear = (from: string, more: object = {}) =>
    source.hear(readHeartbeat({ node_id: 'n', port: 11435, ...more }), from);
  return { clock, sightings, asked, source, hear, urls: () => sightings.all.map(({ url }) => url) };
}

describe('registrations', () => {
  it('believe the address of the connection, for a minute', async () => {
    const { hear, sightings, clock, source } = registrations();
    expect(hear('::ffff:192.168.1.7', { ipv4: '192.168.1.99' })).toBe('http://192.168.1.7:11435');
    expect(sightings.all).toMatchObject([
      { source: 'heartbeat', url: 'http://192.168.1.7:11435', leaseMs: 60_000 },
    ]);
    expect(sightings.all[0]).not.toHaveProperty('deviceId');
    clock.advance(59_000);
    expect(source.list()).toMatchObject([{ isStale: false }]);
    clock.advance(1000);
    expect(source.list()).toMatchObject([{ isStale: true }]);
    clock.advance(119_000);
    expect(source.list()).toHaveLength(1);
    clock.advance(1000);
    expect(source.list()).toEqual([]);
  });

  it('use the other address when the same device answers there, and ask once', async () => {
    const { hear, urls, asked, clock, source } = registrations();
    hear('192.168.1.7', { ipv6: '2001:db8:1::7' });
    await until(1000, 'the other address', () => urls().length === 2);
    expect(urls()[1]).toBe('http://[2001:db8:1::7]:11435');
    expect(source.list()).toMatchObject([{ otherUrl: 'http://[2001:db8:1::7]:11435' }]);
    clock.advance(30_000);
    hear('192.168.1.7', { ipv6: '2001:db8:1::7' });
    expect([urls().length, asked.length]).toEqual([4, 1]);
  });

  it('do not go where a peer sends them', async () => {
    const { hear, urls, asked, clock } = registrations(() => false);
    for (const ipv4 of ['127.0.0.1', '169.254.169.254', '224.0.0.1', '8.8.8.8', '192.168.1.5'])
      hear('2001:db8:1::7', { ipv4 });
    expect(asked).toEqual([]);
    clock.advance(1000);
    hear('2001:db8:1::7', { ipv4: '192.168.1.66' });
    // Somebody else answers there; and however many addresses are named, no more are looked at.
    for (let i = 67; i < 70; i++) hear('2001:db8:1::7', { ipv4: `192.168.1.${i}` });
    await until(1000, 'the look', () => asked.length === 1);
    expect(new Set(urls())).toEqual(new Set(['http://[2001:db8:1::7]:11435']));
  });

  it('are bounded: beats of an address, servers of an address, servers', () => {
    const { hear, clock, source } = registrations();
    const status = (from: string, port: number) => {
      try {
        hear(from, { port });
        return 200;
      } catch (error) {
        return (error as { status: number }).status;
      }
    };
    expect(Array.from({ length: 6 }, () => status('10.0.0.1', 1)).filter((one) => one === 429)).toHaveLength(
      1,
    );
    clock.advance(1000);
    const ports = Array.from({ length: 17 }, (_, i) => {
      clock.advance(300);
      return status('10.0.0.2', i + 1);
    });
    expect([ports.slice(0, 16).every((one) => one === 200), ports[16]]).toEqual([true, 503]);
    for (let i = 0; i < 300; i++) status(`10.1.${i >> 8}.${i & 255}`, 1);
    expect(source.list()).toHaveLength(256);
    expect(status('10.2.0.1', 1)).toBe(503);
    expect(status('10.1.0.1', 1)).toBe(200); // Who is in, stays in.
    clock.advance(180_000);
    expect(status('10.2.0.1', 1)).toBe(200);
    expect(() => hear('fe80::1%eth0')).toThrow(/link-local/);
  });
});

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

describe('the sender', () => {
  const describeIt = () => ({
    nodeId: 'n',
    port: 11435,
    models: ['m'],
    metadata: {},
    load: { cpu: 0.5, memory: null },
  });

  async function speaking(url: string, more: Pick<RegistrarOptions, 'clock' | 'log' | 'read'>) {
    const registrar = new Registrar({
      urls: [url],
      connectTimeoutMs: 1000,
      describe: describeIt,
      random: () => 0.5,
      ...more,
    });
    await registrar.start();
    registrar.setSpeaking(true);
    return registrar;
  }

  /** A hub that is told of each heartbeat, and takes it when `answer` is called. */
  const hears = (onBeat: (body: { ipv4: string; port: number }, answer: () => void) => void) =>
    createServer(async (request, response) => {
      const text = Buffer.concat(await request.toArray()).toString();
      onBeat(JSON.parse(text), () => response.end('{"status":"ok"}'));
    });

  it('beats every 30 s, at once when an address changes, and only while its Ollama answers', async () => {
    const bodies: { ipv4: string; port: number }[] = [];
    await using hub = await listenOn(
      hears((body, answer) => {
        bodies.push(body);
        answer();
      }),
    );
    const clock = new ManualClock();
    const log = new TestLog();
    let interfaces = LAN;
    await using registrar = await speaking(hub.url, { clock, log, read: () => interfaces });
    const count = (n: number) => until(2000, `beat ${n}`, () => log.lines.length > 0 && bodies.length === n);
    await count(1);
    expect(bodies[0]).toEqual({
      node_id: 'n',
      ipv4: '192.168.1.5',
      ipv6: '2001:db8:1::5',
      port: 11435,
      models: ['m'],
      metadata: {},
      load: { cpu: 0.5, memory: null },
    });
    clock.advance(29_000);
    expect(bodies).toHaveLength(1);
    clock.advance(1000);
    await count(2);
    interfaces = { eth0: [info('192.168.1.55/24')] };
    clock.advance(1000);
    await count(3);
    expect(bodies[2]).toMatchObject({ ipv4: '192.168.1.55', ipv6: null });
    registrar.setSpeaking(false);
    clock.advance(100_000);
    registrar.setSpeaking(true);
    await count(4);
    expect(log.lines).toHaveLength(1);
  });

  it('tells of a change during a beat in the next one, at once', async () => {
    const addresses: string[] = [];
    const held: (() => void)[] = [];
    await using hub = await listenOn(
      hears((body, answer) => {
        addresses.push(body.ipv4);
        held.push(answer);
      }),
    );
    const clock = new ManualClock();
    let interfaces = LAN;
    await using _registrar = await speaking(hub.url, { clock, log: new TestLog(), read: () => interfaces });
    await until(2000, 'a beat under way', () => held.length === 1);
    interfaces = { eth0: [info('192.168.1.55/24')] };
    clock.advance(1000);
    held[0]?.();
    await until(2000, 'the next beat', () => addresses.length === 2);
    expect(addresses).toEqual(['192.168.1.5', '192.168.1.55']);
    held[1]?.();
  });

  it('backs off when nobody takes it, is heard soon after that ends, and says each once', async () => {
    let refuse = true;
    const beats: number[] = [];
    const clock = new ManualClock();
    await using hub = await listenOn(
      createServer((request, response) => {
        request.resume();
        beats.push(clock.now());
        response.writeHead(refuse ? 500 : 200).end();
      }),
    );
    const log = new TestLog();
    await using _ = await speaking(hub.url, { clock, log, read: () => LAN });
    // Nothing tells from outside when an answer has been read, so time passes in steps that are short to each wait.
    const beaten = (count: number) =>
      until(5000, `beat ${count}`, () => {
        if (beats.length < count) clock.advance(50);
        return beats.length === count;
      });
    await beaten(4);
    refuse = false;
    await beaten(5);
    const gaps = beats.slice(1).map((at, i) => at - (beats[i] ?? 0));
    for (const [i, least] of [900, 1800, 3600, 7200].entries()) {
      expect(gaps[i]).toBeGreaterThanOrEqual(least);
      expect(gaps[i]).toBeLessThan(2 * least);
    }
    await until(2000, 'the end of it', () => log.lines.length === 2);
    expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
    expect(log.lines[0]!.fields).toEqual({ at: hub.url, reason: 'HTTP status 500' });
    expect(nextBeatMs(20, () => 0.5)).toBe(30_000);
    expect([nextBeatMs(0, () => 0), nextBeatMs(0, () => 1)]).toEqual([27_000, 33_000]);
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

/** An address of this machine that is not loopback: who comes from it is a peer. */
const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((infos) => infos ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

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
