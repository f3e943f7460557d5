import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { captureUnavailable, type Packet } from './_capture.ts';
import { say, sightings, startSide, waitForSighting } from './_discovery.ts';
import { clientOn, LOCAL_FACE, serveOn, serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const MODEL = { name: 'tiny' };
const CHAT = { body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] } };
const LANA = '4c414e41';
/** The group that everybody listens to, and the one for those without IPv4, as captures write addresses. */
const EVERYONE = 'ff12:0000:0000:0000:0000:0000:cc41:4e41';
const IPV6_ONLY = 'ff12:0000:0000:0000:0000:0000:cc41:4e36';

/** Sends everything that servers and clients say from the port from which servers speak, often. */
const FORGER = `const s = require('dgram').createSocket('udp6'), bare = Buffer.from('LANA'), ask = Buffer.alloc(128);
bare.copy(ask); ask[4] = 1; ask[5] = 1;
s.bind(11436, 'fe80::3%eth0', () => { s.setMulticastInterface('::%eth0'); let left = 120;
for (let i = 0; i < 20; i++) for (const to of ['ff12::cc41:4e41%eth0', 'fe80::1%eth0', 'fe80::2%eth0']) for (const m of [bare, ask])
s.send(m, 11436, to, () => { if (--left === 0) console.log('sent') || s.close(); }); });`;

const side = (host: LabHost, role: 'client' | 'server', options: object = {}) =>
  startSide(host, 'udp', role, options);

/** Takes a host's IPv4 address away, as when DHCP fails. */
const dropIPv4 = (host: LabHost) => host.configure([`addr del ${host.ip}/24 dev eth0`]);

/** Resolves when a host's link-local address can be used. */
const untilReady = (host: LabHost) =>
  until(5000, 'a link-local address', async () => {
    const { stdout } = await host.exec('ip', [
      '-6',
      '-o',
      'addr',
      'show',
      'dev',
      'eth0',
      'scope',
      'link',
      '-tentative',
    ]);
    return stdout.includes('fe80:');
  });

describe('a network without IPv4', { timeout: 60_000 }, () => {
  skipBecause(labAvailable());

  test('a server is found there within two seconds, whoever starts first, and runs a whole request', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'gpu2', 'late'], ipv6Only: true });
    const laptop = lab.host('laptop');
    await laptop.http('http://127.0.0.1:1/'); // Starts the agent, which is not what is measured.
    await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
    await simulatedOn(lab.host('gpu2'), { models: [{ name: 'other' }] });
    await using first = await serveOn(lab.host('gpu1'));
    await using _client = await clientOn(laptop);
    const startedAt = performance.now();
    await untilListed(laptop, ['tiny']);
    const serverFirst = performance.now() - startedAt;
    await using _second = await serveOn(lab.host('gpu2'));
    const laterAt = performance.now();
    await untilListed(laptop, ['tiny', 'other']);
    const clientFirst = performance.now() - laterAt;
    console.log(
      `IPv6 only, from listening to its models in the list: a client ${serverFirst.toFixed(0)} ms, a server ${clientFirst.toFixed(0)} ms`,
    );
    expect(Math.max(serverFirst, clientFirst)).toBeLessThan(2000);

    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, CHAT);
    expect([answer.status, answer.headers['x-ollana-server']], answer.text).toEqual([200, 'gpu1']);
    expect(answer.lines.length).toBeGreaterThan(2);
    expect(JSON.parse(answer.lines.at(-1)!.text)).toMatchObject({ done: true });

    const status = await laptop.http(`${LOCAL_FACE}/ollana/api/status`);
    const { servers } = status.json() as { servers: { name: string; url: string }[] };
    expect(servers.map(({ name, url }) => [name, url])).toEqual([
      ['gpu1', 'http://[fe80::1%eth0]:11435'],
      ['gpu2', 'http://[fe80::3%eth0]:11435'],
    ]);
    const named = await laptop.http(
      `${LOCAL_FACE}/api/show?server=${encodeURIComponent('[fe80::1%eth0]:11435')}`,
      { body: { model: 'tiny' } },
    );
    expect(named.status, named.text).toBe(200);

    const goneAt = performance.now();
    await first.stop();
    await until(10_000, 'gpu1 to be out of use', async () => {
      const gpu1 = (await serversSeenBy(laptop)).find(({ name }) => name === 'gpu1');
      return gpu1?.verdict !== 'reliable';
    });
    console.log(
      `IPv6 only: a server that shuts down is out of use after ${(performance.now() - goneAt).toFixed(0)} ms`,
    );
  });

  test('a server is named by hand by its link-local address, and the Host header has no zone', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'], ipv6Only: true });
    const host = lab.host('gpu1');
    const plain = host.node([
      '-e',
      `require('http').createServer((q, s) => { console.log('host', q.headers.host, q.url); s.setHeader('content-type', 'application/json');
        s.end(JSON.stringify(q.url === '/api/version' ? { version: '0.9.0' } : q.url === '/api/tags' ? { models: [{ name: 'tiny', model: 'tiny', digest: 'ab'.repeat(32) }] } : q.url === '/api/chat' ? { done: true } : {})); })
        .listen(11434, '::', () => console.log('up'))`,
    ]);
    await plain.waitFor(/up/);
    await using _client = await clientOn(lab.host('laptop'), [
      '--server',
      'http://[fe80::1%25eth0]:11434=gpu1',
    ]);
    await untilListed(lab.host('laptop'), ['tiny']);
    const answer = await lab.host('laptop').http(`${LOCAL_FACE}/api/chat`, CHAT);
    expect([answer.status, answer.headers['x-ollana-server']], answer.text).toEqual([200, 'gpu1']);
    await plain.waitFor(/host \S+ \/api\/chat/);
    expect(new Set(plain.stdout.match(/(?<=host )\S+/g))).toEqual(new Set(['[fe80::1]:11434']));
  });

  test('a goodbye crosses it, and a silent server is heard again', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'], ipv6Only: true });
    const server = await side(lab.host('gpu1'), 'server');
    const client = await side(lab.host('laptop'), 'client');
    await waitForSighting(client, ({ deviceId }) => deviceId !== undefined);
    say(server, 'silent');
    const left = await waitForSighting(client, ({ leaseMs }) => leaseMs === 0);
    expect(left).toMatchObject({ url: 'http://[fe80::1%eth0]:11435', deviceId: 'a'.repeat(64) });
    say(server, 'speak');
    await waitForSighting(client, ({ leaseMs, at }) => leaseMs > 0 && at > left.at);
  });

  test('an address that is not ready yet is spoken by as soon as it is', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    for (const host of [lab.host('gpu1'), lab.host('laptop')]) await host.configure(['addr flush dev eth0']);
    const server = await side(lab.host('gpu1'), 'server');
    const client = await side(lab.host('laptop'), 'client');
    const addedAt = Date.now();
    await lab.host('gpu1').configure(['addr add fe80::a/64 dev eth0']);
    await lab.host('laptop').configure(['addr add fe80::b/64 dev eth0']);
    for (const name of ['gpu1', 'laptop']) await untilReady(lab.host(name));
    const readyAt = Date.now();
    const seen = await waitForSighting(client, ({ url }) => url === 'http://[fe80::a%eth0]:11435');
    console.log(
      `IPv6 address with duplicate detection: found ${seen.at - addedAt} ms after it was given, ${seen.at - readyAt} ms after it was ready`,
    );
    expect(seen.at - readyAt).toBeLessThan(1500);
    for (const { stdout } of [server, client]) expect(stdout).not.toMatch(/listen-failed|send-failed/);
  });
});

describe('a network with both families', { timeout: 60_000 }, () => {
  skipBecause(labAvailable());

  test.each([
    ['a client', 'laptop'],
    ['a server', 'gpu1'],
  ])('%s that has only IPv6 there meets one that has both', async (_what, lonely) => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'laptop2'] });
    await dropIPv4(lab.host(lonely));
    for (const name of ['gpu1', 'laptop', 'laptop2']) await untilReady(lab.host(name));
    const early = await side(lab.host('laptop'), 'client');
    const startedAt = Date.now();
    await side(lab.host('gpu1'), 'server');
    const isIt = ({ url, deviceId }: { url: string; deviceId?: string }) =>
      url.startsWith('http://[fe80:') && url.endsWith('%eth0]:11435') && deviceId !== undefined;
    const seen = await waitForSighting(early, isIt, 3000);
    console.log(
      `${lonely} without IPv4: found ${seen.at - startedAt} ms after the server's process was started`,
    );
    if (lonely === 'laptop') return;
    await waitForSighting(await side(lab.host('laptop2'), 'client'), isIt, 3000);
    // Its announcements keep the claim alive.
    await until(12_000, 'a later sighting', () =>
      sightings(early).some((one) => isIt(one) && one.at > seen.at + 5500),
    );
  });

  test('those that have both meet by IPv4 alone', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    for (const name of ['gpu1', 'laptop']) await untilReady(lab.host(name));
    const client = await side(lab.host('laptop'), 'client');
    await side(lab.host('gpu1'), 'server');
    await waitForSighting(client, ({ deviceId }) => deviceId !== undefined);
    say(client, 'refresh');
    await until(5000, 'another sighting', () => sightings(client).length > 2);
    expect(new Set(sightings(client).map(({ url }) => url))).toEqual(new Set(['http://10.77.0.1:11435']));
  });
});

/** What a packet of the beacon takes on Ethernet: headers of Ethernet, IP and UDP; 60 bytes at least. */
const frameBytes = ({ src, payload }: Packet) =>
  Math.max(60, 14 + (src.includes(':') ? 40 : 20) + 8 + payload.length);

describe('IPv6 on the wire', { timeout: 90_000 }, () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  test('what all know, to the group, from the link-local address, not beyond the link; answers go to one', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'], ipv6Only: true });
    await using wire = await lab.capture({ filter: 'udp' });
    await side(lab.host('gpu1'), 'server');
    const client = await side(lab.host('laptop'), 'client');
    await waitForSighting(client, ({ deviceId }) => deviceId !== undefined);
    const [server, laptop] = ['0001', '0002'].map((last) => `fe80:0000:0000:0000:0000:0000:0000:${last}`);
    const asked = await wire.waitFor(({ src, dst }) => src === laptop && dst === EVERYONE);
    expect([asked.dport, asked.payload.toString('hex', 0, 4)]).toEqual([11436, LANA]);
    expect(asked.sport).not.toBe(11436);
    const announced = await wire.waitFor(({ src, dst }) => src === server && dst === EVERYONE);
    expect([announced.sport, announced.dport, announced.payload.toString('hex', 0, 4)]).toEqual([
      11436,
      11436,
      LANA,
    ]);
    const answered = await wire.waitFor(
      ({ src, dst, dport }) => src === server && dst === laptop && dport === asked.sport,
    );
    expect([answered.sport, answered.payload.toString('hex', 0, 4)]).toEqual([11436, LANA]);
    for (const { dst, payload, dport } of wire.packets)
      if (dst.startsWith('ff') && dport === 11436)
        expect([dst, payload.toString('hex', 0, 4)]).toEqual([EVERYONE, LANA]);
    // In the rhythm, four bytes.
    await wire.waitFor(({ dst, payload }) => dst === EVERYONE && payload.toString('hex') === LANA);
  });

  test('two servers do not keep each other talking, and one forged datagram does not make them', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'forger', 'marker'], ipv6Only: true });
    await using wire = await lab.capture({ filter: 'udp' });
    await side(lab.host('gpu1'), 'server');
    await side(lab.host('gpu2'), 'server', { deviceId: 'b'.repeat(64) });
    const gpus = ['0001', '0002'].map((last) => `fe80:0000:0000:0000:0000:0000:0000:${last}`);
    const spoken = () => wire.packets.filter(({ src }) => gpus.includes(src));
    await until(5000, 'both', () => gpus.every((gpu) => spoken().some(({ src }) => src === gpu)));
    const before = spoken().length;
    const began = Date.now();
    // As if a third server spoke: to all, and to each of them.
    const forger = lab.host('forger').node(['-e', FORGER]);
    await forger.waitFor(/sent/);
    await forger.exited;
    // Whoever asks after that is answered after whatever would have been said about that.
    const marker = await side(lab.host('marker'), 'client');
    await until(5000, 'both answers', () => sightings(marker).filter((one) => one.deviceId).length >= 2);
    const after = spoken().slice(before);
    const rounds = 1 + (Date.now() - began) / 4500;
    const toMarker = after.filter(({ dst }) => dst.endsWith(':0004'));
    expect(after.filter(({ dst }) => dst !== EVERYONE && !toMarker.some((one) => one.dst === dst))).toEqual(
      [],
    );
    expect(toMarker.length).toBeLessThanOrEqual(2 * rounds);
    // Their rounds, and nothing besides.
    expect(after.filter(({ dst }) => dst === EVERYONE).length).toBeLessThanOrEqual(2 * rounds);
  });

  test('discovery keeps to the interfaces named on IPv6, too', async () => {
    await using lab = await createLab({ hosts: ['machine', 'other'], ipv6Only: true });
    await lab.addNetwork(['machine', 'other'], { ipv6Only: true });
    await using first = await lab.capture({ filter: 'udp', network: 0 });
    await using second = await lab.capture({ filter: 'udp', network: 1 });
    await side(lab.host('machine'), 'server', { interfaces: ['eth1'] });
    await side(lab.host('machine'), 'client', { interfaces: ['lo'] });
    const other = await side(lab.host('other'), 'client');
    await waitForSighting(other, ({ deviceId }) => deviceId !== undefined);
    await first.waitFor(({ dst }) => dst === EVERYONE);
    await second.waitFor(({ src }) => src.endsWith('0001'));
    expect(first.packets.filter(({ src }) => src.endsWith('0001'))).toEqual([]);
    expect(sightings(other).every(({ url }) => url === 'http://[fe80::1%eth1]:11435')).toBe(true);
  });

  test.each([
    ['only IPv6', true],
    ['both families', false],
  ])('a node with %s says less than 2 KB a minute to everybody', async (what, ipv6Only) => {
    await using lab = await createLab({ hosts: ['node', 'other'], ipv6Only });
    if (!ipv6Only) await untilReady(lab.host('node'));
    await side(lab.host('node'), 'server');
    await side(lab.host('node'), 'client');
    await using wire = await lab.capture({ filter: 'udp port 11436' });
    const from = performance.now();
    // Six rounds: the rest of a minute is the same.
    await until(40_000, 'thirty seconds', () => performance.now() - from >= 30_000, 100);
    const toAll = wire.packets.filter(({ dst }) => dst.startsWith('ff') || dst.endsWith('.255'));
    const sum = (of: (packet: Packet) => number) => toAll.reduce((total, one) => total + of(one), 0) * 2;
    const network = sum(({ src, payload }) => (src.includes(':') ? 40 : 20) + 8 + payload.length);
    console.log(
      `${what}, server and client on one machine: ${toAll.length * 2} datagrams a minute to all, ${network} bytes with IP headers, ${sum(frameBytes)} as Ethernet frames`,
    );
    expect(toAll.length).toBeGreaterThan(6);
    expect(toAll.filter(({ dst }) => dst === IPV6_ONLY)).toEqual([]);
    expect(network).toBeLessThan(2048);
  });
});
