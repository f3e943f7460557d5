import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import dnsPacket from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { captureUnavailable } from './_capture.ts';
import { say, sightings, startSide, TSX, waitForSighting } from './_discovery.ts';
import { serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
const ID = 'a'.repeat(64);
const URL_1 = 'http://10.77.0.1:11435';

const start = (host: LabHost, role: 'client' | 'server', options: object = {}) =>
  startSide(host, 'mdns', role, options);

/** The command line from its source. */
async function ollana(host: LabHost, dataDir: string, args: readonly string[]): Promise<TestProcess> {
  const started = host.node(['--import', TSX, CLI, ...args, '--data-dir', dataDir, '--name', host.name]);
  await started.waitFor(/ollana is ready/, 20_000);
  return started;
}

/** Drops what the UDP beacon says, as a network does that passes no broadcast. */
async function dropBeacon(host: LabHost): Promise<void> {
  const rules = 'table inet t { chain out { type filter hook output priority 0; udp dport 11436 drop; }; }';
  const { code, stderr } = await host.exec('nft', ['-f', '-'], { input: rules });
  if (code !== 0) throw new Error(`nft: ${stderr}`);
}

function nftUnavailable(): string | undefined {
  const { status } = spawnSync('nft', ['--version'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'needs `nft` (Debian: apt-get install nftables)';
}

describe('mDNS between hosts', () => {
  skipBecause(labAvailable() ?? nftUnavailable());

  test('a laptop finds a server where UDP broadcast is dropped, and misses it as soon as it leaves', async () => {
    using folder = temporaryDirectory('mdns');
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'deaf'] });
    const [gpu, laptop, deaf] = [lab.host('gpu1'), lab.host('laptop'), lab.host('deaf')];
    await Promise.all([
      ...[gpu, laptop, deaf].map(dropBeacon),
      simulatedOn(gpu, { models: [{ name: 'llama3' }] }),
    ]);
    await ollana(laptop, `${folder.path}/laptop`, ['--no-local-fallback']);
    await ollana(deaf, `${folder.path}/deaf`, ['--no-local-fallback', '--no-mdns']);
    const server = await ollana(gpu, `${folder.path}/gpu`, ['serve']);
    await untilListed(laptop, ['llama3']);
    expect(await serversSeenBy(laptop)).toMatchObject([{ name: 'gpu1', verdict: 'reliable' }]);
    expect(await serversSeenBy(deaf)).toEqual([]);
    server.child.kill('SIGTERM');
    await until(3000, 'nobody left', async () => (await serversSeenBy(laptop)).length === 0);
  });
});

describe('mDNS discovery', () => {
  skipBecause(labAvailable());

  test('client and server find each other in either order; a goodbye and a return are noticed', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'laptop2'] });
    const early = await start(lab.host('laptop'), 'client');
    const server = await start(lab.host('gpu1'), 'server');
    const seen = await waitForSighting(early, ({ url }) => url === URL_1);
    expect(seen).toMatchObject({ source: 'mdns', deviceId: ID, name: 'gpu1', leaseMs: 120_000 });
    const late = await start(lab.host('laptop2'), 'client');
    await waitForSighting(late, ({ url }) => url === URL_1, 2000);
    const silentAt = Date.now();
    say(server, 'silent');
    const left = await waitForSighting(late, ({ leaseMs }) => leaseMs === 0);
    expect(left).toMatchObject({ url: URL_1, deviceId: ID });
    expect(left.at - silentAt).toBeLessThan(500);
    say(server, 'speak');
    await waitForSighting(late, ({ leaseMs, at }) => leaseMs > 0 && at > left.at);
    say(server, 'stop');
    await server.exited;
    await until(
      1000,
      'a second goodbye',
      () => sightings(late).filter(({ leaseMs }) => leaseMs === 0).length > 1,
    );
  });

  test('two servers of one name are told apart, each on its port', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop'] });
    const client = await start(lab.host('laptop'), 'client');
    await start(lab.host('gpu1'), 'server', { name: 'gpu', httpPort: 11500 });
    await start(lab.host('gpu2'), 'server', { name: 'gpu', deviceId: 'b'.repeat(64) });
    await start(lab.host('gpu2'), 'server', { name: 'gpu', deviceId: 'c'.repeat(64), httpPort: 11501 });
    const urls = ['http://10.77.0.1:11500', 'http://10.77.0.2:11435', 'http://10.77.0.2:11501'];
    for (const [i, url] of urls.entries()) {
      const seen = await waitForSighting(client, (one) => one.url === url, 10_000);
      expect(seen).toMatchObject({ deviceId: 'abc'.charAt(i).repeat(64), name: 'gpu' });
    }
  });

  test('a server is found by the addresses of both families', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    for (const [i, name] of ['gpu1', 'laptop'].entries())
      await lab.host(name).exec('ip', ['addr', 'add', `fd00:77::${i + 1}/64`, 'dev', 'eth0', 'nodad']);
    await start(lab.host('gpu1'), 'server');
    const client = await start(lab.host('laptop'), 'client');
    for (const url of [URL_1, 'http://[fd00:77::1]:11435'])
      await waitForSighting(client, (one) => one.url === url);
  });

  test('a changed address, a cable plugged in again and a late network are noticed within seconds', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await lab.host('laptop').linkDown();
    const client = await start(lab.host('laptop'), 'client');
    await start(lab.host('gpu1'), 'server');
    await lab.host('laptop').linkUp();
    await waitForSighting(client, ({ url }) => url === URL_1, 4000);
    await lab.host('gpu1').changeAddress('10.77.0.99');
    const moved = await waitForSighting(client, ({ url }) => url === 'http://10.77.0.99:11435', 5000);
    expect(moved).toMatchObject({ deviceId: ID });
  });

  test('a server that gets a further network is found there, and is not said to have left the first', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'laptop2'] });
    const client = await start(lab.host('laptop'), 'client');
    await start(lab.host('gpu1'), 'server');
    await waitForSighting(client, ({ url }) => url === URL_1);
    await lab.addSecondNetwork(['gpu1', 'laptop2']);
    const other = await start(lab.host('laptop2'), 'client', { interfaces: ['eth1'] });
    const { at } = await waitForSighting(other, ({ url }) => url === 'http://10.78.0.1:11435');
    await waitForSighting(client, (seen) => seen.url === URL_1 && seen.at >= at - 500);
    expect(sightings(client).filter(({ leaseMs }) => leaseMs === 0)).toEqual([]);
  });

  test('a plain Ollama that somebody advertises by IPv6 is found', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    for (const [i, name] of ['gpu1', 'laptop'].entries()) {
      await lab.host(name).exec('ip', ['addr', 'flush', 'dev', 'eth0', 'scope', 'global']);
      await lab.host(name).exec('ip', ['addr', 'add', `fd00:77::${i + 1}/64`, 'dev', 'eth0', 'nodad']);
    }
    await lab
      .host('gpu1')
      .node([
        '-e',
        `const mdns = require(${JSON.stringify(fileURLToPath(new URL('../../node_modules/multicast-dns', import.meta.url)))})({ type: 'udp6', ip: 'ff02::fb', interface: '::%eth0', bind: '::' });
       mdns.on('query', () => mdns.respond({ answers: [{ type: 'PTR', name: '_ollama._tcp.local', ttl: 120, data: 'Box._ollama._tcp.local' }],
         additionals: [{ type: 'SRV', name: 'Box._ollama._tcp.local', ttl: 120, data: { port: 11434, target: 'box.local' } }, { type: 'AAAA', name: 'box.local', ttl: 120, data: 'fd00:77::1' }] }));
       mdns.on('ready', () => console.log('up'));`,
      ])
      .waitFor(/up/);
    const client = await start(lab.host('laptop'), 'client');
    const seen = await waitForSighting(client, ({ url }) => url === 'http://[fd00:77::1]:11434');
    expect(seen).toMatchObject({ name: 'Box' });
    expect(seen.deviceId).toBeUndefined();
  });
});

describe('the port of mDNS', () => {
  skipBecause(labAvailable());

  test('held by a program that does not share it is said once, and harms nobody', async () => {
    await using lab = await createLab({ hosts: ['machine'] });
    const machine = lab.host('machine');
    await machine
      .node(['-e', "require('dgram').createSocket('udp4').bind(5353, () => console.log('held'))"])
      .waitFor(/held/);
    for (const role of ['server', 'client'] as const) {
      const started = await start(machine, role);
      await started.waitFor(/"notice":\{"type":"listen-failed".*5353/);
      say(started, 'stop');
      expect(await started.exited).toMatchObject({ code: 0 });
    }
  });
});

describe('mDNS on the wire', () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  test('a server says its name, port, device and version, in DNS that others read', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await using wire = await lab.capture({ filter: 'udp port 5353' });
    await start(lab.host('gpu1'), 'server', { name: 'gpu.1', httpPort: 11500 });
    const isAnswer = (bytes: Buffer) => (bytes.readUInt16BE(2) & 0x8000) !== 0;
    const { payload, dst, src } = await wire.waitFor((seen) => isAnswer(seen.payload));
    expect([src, dst]).toEqual(['10.77.0.1', '224.0.0.251']);
    const { answers = [] } = dnsPacket.decode(payload);
    const name = 'gpu-1._ollana._tcp.local';
    expect(answers).toContainEqual(
      expect.objectContaining({ type: 'PTR', name: '_ollana._tcp.local', data: name }),
    );
    expect(answers).toContainEqual(
      expect.objectContaining({ type: 'SRV', name, data: expect.objectContaining({ port: 11500 }) }),
    );
    const text = answers.find(({ type }) => type === 'TXT');
    expect(
      String((text as dnsPacket.TxtAnswer | undefined)?.data)
        .split(',')
        .sort(),
    ).toEqual([`id=${ID}`, 'name=gpu.1', 'version=1.0.0']);
  });

  test('discovery keeps to the interfaces named: loopback alone puts no datagram on any other', async () => {
    await using lab = await createLab({ hosts: ['machine', 'other'], defaultRoute: true });
    await lab.addSecondNetwork(['machine', 'other']);
    const machine = lab.host('machine');
    // So that IPv6 on the wire can only be the machine's.
    for (const eth of ['eth0', 'eth1'])
      await lab.host('other').exec('ip', ['-6', 'addr', 'flush', 'dev', eth]);
    // What the machine could be tempted to answer.
    await start(lab.host('other'), 'server', { deviceId: 'b'.repeat(64) });
    await using first = await lab.capture({ filter: 'udp', network: 0 });
    await using second = await lab.capture({ filter: 'udp', network: 1 });
    const asking = await start(lab.host('other'), 'client');
    const server = await start(machine, 'server', { interfaces: ['lo'] });
    const client = await start(machine, 'client', { interfaces: ['lo'] });
    await waitForSighting(client, ({ deviceId }) => deviceId === ID);
    say(client, 'refresh');
    say(server, 'stop');
    await waitForSighting(client, ({ leaseMs }) => leaseMs === 0);
    say(client, 'stop');
    await Promise.all([server.exited, client.exited]);
    expect(sightings(client).every(({ url }) => /\/\/(127\.|\[::1\])/.test(url))).toBe(true);
    expect(sightings(asking).every(({ deviceId }) => deviceId !== ID)).toBe(true);
    const spoken = [...first.packets, ...second.packets].filter(({ src }) => !src.endsWith('.0.2'));
    expect(spoken).toEqual([]);
    await first.waitFor(({ src }) => src === '10.77.0.2');
  });

  test('one interface named out of two is the only one spoken on', async () => {
    await using lab = await createLab({ hosts: ['machine', 'other'], defaultRoute: true });
    await lab.addSecondNetwork(['machine', 'other']);
    await using first = await lab.capture({ filter: 'udp and src host 10.77.0.1', network: 0 });
    const inside = await start(lab.host('machine'), 'client', { interfaces: ['lo'] });
    await start(lab.host('machine'), 'server', { interfaces: ['eth1'] });
    await start(lab.host('machine'), 'client', { interfaces: ['eth1'] });
    const other = await start(lab.host('other'), 'client');
    await waitForSighting(other, ({ url }) => url === 'http://10.78.0.1:11435');
    expect(sightings(other).map(({ url }) => url)).not.toContain('http://10.77.0.1:11435');
    expect(first.packets).toEqual([]);
    expect(sightings(inside)).toEqual([]);
  });
});
