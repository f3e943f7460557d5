import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { captureUnavailable, type Packet } from './_capture.ts';
import { say, sightings, startSide, waitForSighting } from './_discovery.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const LANA = '4c414e41';

/** A client of the first ollana: asks once and prints what it hears. */
const OLD_CLIENT = `const s = require('dgram').createSocket('udp4');
s.on('message', (m, r) => console.log('got', m.toString('hex'), r.address, r.port));
s.bind(0, () => { s.setBroadcast(true); s.send(Buffer.from('LANA'), 11436, '255.255.255.255'); });`;

/** A server of the first ollana: answers whatever begins with the magic, to its sender. */
const OLD_SERVER = `const s = require('dgram').createSocket('udp4');
s.on('message', (m, r) => { console.log('asked', m.toString('hex'), r.port); s.send(Buffer.from('LANA'), r.port, r.address); });
s.bind(11436, () => console.log('up'));`;

/**
 * Speaks for 3 s in the name of 10.77.0.4: as clients that want four bytes (port 40001) or more, and as a server that
 * announces itself briefly and at length.
 */
const FORGER = `const d = require('dgram'), bare = Buffer.from('LANA'), ask = Buffer.alloc(128), tell = Buffer.alloc(50);
bare.copy(ask); ask[4] = 1; ask[5] = 1; bare.copy(tell); tell[4] = 1; tell[5] = 4; tell.writeUInt16BE(11435, 14);
const open = (port) => new Promise((done) => { const s = d.createSocket('udp4'); s.bind(port, '10.77.0.4', () => { s.setBroadcast(true); done(s); }); });
Promise.all([40001, 40002, 40003, 11436].map(open)).then((all) => {
  const every = setInterval(() => all.forEach((s, i) => { for (const m of [[bare], [ask], [ask, bare], [bare, tell, ask]][i]) s.send(m, 11436, '10.77.0.255'); }), 20);
  setTimeout(() => { clearInterval(every); console.log('done'); process.exit(); }, 3000);
});`;

const start = (host: LabHost, role: 'client' | 'server', options: object = {}) =>
  startSide(host, 'udp', role, options);

describe('UDP discovery between hosts', () => {
  skipBecause(labAvailable());

  test('client and server find each other in either order, without a default route', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'laptop2'] });
    const early = await start(lab.host('laptop'), 'client');
    await start(lab.host('gpu1'), 'server');
    const url = 'http://10.77.0.1:11435';
    expect(await waitForSighting(early, ({ deviceId }) => deviceId !== undefined)).toMatchObject({
      url,
      name: 'gpu1',
    });
    const late = await start(lab.host('laptop2'), 'client');
    await waitForSighting(late, (seen) => seen.url === url);
    expect(new Set(sightings(early).map((seen) => seen.url))).toEqual(new Set([url]));
  });

  test('a server on another port is found there and nowhere else', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'old'] });
    const client = await start(lab.host('laptop'), 'client');
    await start(lab.host('gpu1'), 'server', { httpPort: 11500 });
    const late = await start(lab.host('old'), 'client');
    for (const each of [client, late]) await waitForSighting(each, ({ deviceId }) => deviceId !== undefined);
    say(client, 'refresh');
    await until(5000, 'another sighting', () => sightings(client).length > 1);
    for (const each of [client, late])
      expect(new Set(sightings(each).map((seen) => seen.url))).toEqual(new Set(['http://10.77.0.1:11500']));
  });

  test('clients and servers of the first ollana are met with the bytes they know', async () => {
    await using lab = await createLab({
      hosts: ['gpu1', 'oldgpu', 'laptop', 'oldlaptop'],
      defaultRoute: true,
    });
    const oldServer = lab.host('oldgpu').node(['-e', OLD_SERVER]);
    await oldServer.waitFor(/up/);
    const server = await start(lab.host('gpu1'), 'server');
    const client = await start(lab.host('laptop'), 'client');
    const seen = await waitForSighting(client, ({ url }) => url === 'http://10.77.0.2:11435');
    expect(seen.deviceId).toBeUndefined();
    const oldClient = lab.host('oldlaptop').node(['-e', OLD_CLIENT]);
    await oldClient.waitFor(/got 4c414e41 10\.77\.0\.1 11436/);
    await oldClient.waitFor(/got 4c414e41 10\.77\.0\.2 11436/);
    say(server, 'stop');
    await server.exited;
    await waitForSighting(client, ({ leaseMs }) => leaseMs === 0);
    expect(oldClient.stdout.split('\n').filter((line) => line.includes('10.77.0.1'))).toHaveLength(1);
  });

  test('a goodbye crosses the network', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const server = await start(lab.host('gpu1'), 'server');
    const client = await start(lab.host('laptop'), 'client');
    await waitForSighting(client, ({ deviceId }) => deviceId !== undefined);
    say(server, 'silent');
    const left = await waitForSighting(client, ({ leaseMs }) => leaseMs === 0);
    expect(left).toMatchObject({ url: 'http://10.77.0.1:11435', deviceId: 'a'.repeat(64) });
    say(server, 'speak');
    const back = await waitForSighting(client, ({ leaseMs, at }) => leaseMs > 0 && at > left.at);
    expect(back.deviceId).toBe('a'.repeat(64));
  });

  test('a changed address and a cable plugged in again are found within two seconds', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await start(lab.host('gpu1'), 'server');
    const client = await start(lab.host('laptop'), 'client');
    await waitForSighting(client, ({ deviceId }) => deviceId !== undefined);
    await lab.host('gpu1').changeAddress('10.77.0.99');
    const changedAt = Date.now();
    const moved = await waitForSighting(client, ({ url }) => url === 'http://10.77.0.99:11435');
    expect(moved.at - changedAt).toBeLessThan(2000);
    await lab.host('laptop').linkDown();
    await client.waitFor(/links-changed/);
    await lab.host('laptop').linkUp();
    const upAt = Date.now();
    const again = await waitForSighting(client, ({ at }) => at > upAt);
    expect(again.at - upAt).toBeLessThan(2000);
  });

  test('a client that starts without a network finds the server when there is one', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await lab.host('laptop').linkDown();
    const client = await start(lab.host('laptop'), 'client');
    await start(lab.host('gpu1'), 'server');
    await lab.host('laptop').linkUp();
    await waitForSighting(client, ({ url }) => url === 'http://10.77.0.1:11435', 3000);
  });

  test('a host on two networks is found on both', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await lab.addSecondNetwork(['gpu1', 'laptop']);
    await start(lab.host('gpu1'), 'server');
    const client = await start(lab.host('laptop'), 'client');
    for (const address of ['10.77.0.1', '10.78.0.1'])
      await waitForSighting(
        client,
        ({ url, deviceId }) => url === `http://${address}:11435` && deviceId !== undefined,
      );
  });
});

describe('UDP discovery on the wire', () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  test('the client asks with four bytes on each link, to both broadcast addresses, by that link; at first at more length besides', async () => {
    await using lab = await createLab({ hosts: ['laptop', 'other'] });
    await lab.addSecondNetwork(['laptop', 'other']);
    await using first = await lab.capture({ filter: 'udp', network: 0 });
    await using second = await lab.capture({ filter: 'udp', network: 1 });
    await start(lab.host('laptop'), 'client');
    for (const [capture, network] of [
      [first, '10.77.0'],
      [second, '10.78.0'],
    ] as const) {
      for (const dst of [`${network}.255`, '255.255.255.255']) {
        const packet = await capture.waitFor((seen) => seen.dst === dst && seen.payload.length === 4);
        expect([packet.src, packet.dport, packet.payload.toString('hex')]).toEqual([
          `${network}.1`,
          11436,
          LANA,
        ]);
      }
      expect(capture.packets.map(({ payload }) => payload.length).slice(0, 3)).toEqual([128, 4, 4]);
      expect(new Set(capture.packets.map((packet) => packet.src))).toEqual(new Set([`${network}.1`]));
    }
  });

  test('a meeting is one question and one answer; nobody is sent two datagrams in a second, nor more than he sent', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await using wire = await lab.capture({ filter: 'udp' });
    await start(lab.host('gpu1'), 'server');
    const client = await start(lab.host('laptop'), 'client');
    await waitForSighting(client, ({ deviceId }) => deviceId !== undefined);
    const query = await wire.waitFor((seen) => seen.payload.length === 128);
    const reply = await wire.waitFor((seen) => seen.dst === '10.77.0.2');
    expect([reply.src, reply.sport, reply.dport]).toEqual(['10.77.0.1', 11436, query.sport]);
    expect(reply.payload.toString('hex')).toBe(
      `${LANA}0102${query.payload.toString('hex', 6, 14)}2cab${'aa'.repeat(32)}04${Buffer.from('gpu1').toString('hex')}`,
    );
    // A round of each.
    const isBare = (seen: Packet) => seen.payload.toString('hex') === LANA;
    const answer = await wire.waitFor((seen) => seen.dst === '10.77.0.2' && isBare(seen));
    const toLaptop = wire.packets.filter(({ dst }) => dst === '10.77.0.2');
    expect(toLaptop).toEqual([reply, answer]);
    expect(answer.time - reply.time).toBeGreaterThan(990);
    // The client sends nothing to one host.
    expect(wire.packets.filter(({ dst }) => dst === '10.77.0.1')).toEqual([]);
  });

  test('whoever is forged gets one datagram a second from a server, no longer than what was sent, and none from a client', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'forger', 'victim'] });
    await using wire = await lab.capture({ filter: 'udp and dst host 10.77.0.4' });
    for (const [name, role] of [
      ['gpu1', 'server'],
      ['laptop', 'client'],
    ] as const)
      await start(lab.host(name), role);
    // The victim's address beside its own, as whoever forges senders has it.
    await lab.host('forger').configure(['addr add 10.77.0.4/32 dev eth0']);
    const began = Date.now();
    const forger = lab.host('forger').node(['-e', FORGER]);
    await forger.waitFor(/done/);
    const seconds = (Date.now() - began) / 1000;
    const bytes = wire.packets.map(({ payload }) => payload.length);
    console.log(
      `in the name of 10.77.0.4, ${seconds.toFixed(1)} s: ${bytes.length} datagrams to it, of ${bytes}`,
    );
    expect(bytes.length).toBeGreaterThan(1);
    expect(bytes.length).toBeLessThanOrEqual(seconds + 1);
    for (const [i, { time }] of wire.packets.slice(1).entries())
      expect(time - (wire.packets[i]?.time ?? 0)).toBeGreaterThan(990);
    for (const { sport, dport, payload } of wire.packets)
      expect([sport, payload.length <= (dport === 40_001 ? 4 : 128)]).toEqual([11436, true]);
    expect(new Set(wire.packets.map(({ src }) => src))).toEqual(new Set(['10.77.0.1']));
  });

  test('discovery keeps to the interfaces named: loopback alone puts no datagram on any other', async () => {
    await using lab = await createLab({ hosts: ['machine', 'other'], defaultRoute: true });
    await lab.addSecondNetwork(['machine', 'other']);
    const machine = lab.host('machine');
    // What the machine could be tempted to answer.
    await start(lab.host('other'), 'server', { deviceId: 'b'.repeat(64) });
    await start(lab.host('other'), 'client');
    const others = await lab.host('other').addresses();
    await using outside = await machine.capture({
      filter: 'udp and ( src host 10.77.0.1 or src host 10.78.0.1 )',
      interface: 'any',
    });
    await using wires = await Promise.all([
      lab.capture({ filter: 'udp' }),
      lab.capture({ filter: 'udp', network: 1 }),
    ]).then(([first, second]) => ({
      count: () => [...first.packets, ...second.packets].filter(({ src }) => !others.has(src)).length,
      [Symbol.asyncDispose]: async () => {
        await first[Symbol.asyncDispose]();
        await second[Symbol.asyncDispose]();
      },
    }));
    const server = await start(machine, 'server', { interfaces: ['lo'] });
    const client = await start(machine, 'client', { interfaces: ['lo'] });
    await waitForSighting(client, ({ deviceId }) => deviceId === 'a'.repeat(64));
    // A full round of each, the other host's announcement, and an orderly end.
    await until(
      12_000,
      'a second round',
      () => new Set(sightings(client).map(({ at }) => Math.round(at / 2000))).size > 1,
    );
    say(server, 'stop');
    say(client, 'stop');
    await Promise.all([server.exited, client.exited]);
    expect(sightings(client).every(({ url }) => url.startsWith('http://127.'))).toBe(true);
    expect([outside.packets.length, wires.count()]).toEqual([0, 0]);
  });

  test('one interface named out of two is the only one spoken on', async () => {
    await using lab = await createLab({ hosts: ['machine', 'other'], defaultRoute: true });
    await lab.addSecondNetwork(['machine', 'other']);
    await using first = await lab.capture({ filter: 'udp', network: 0 });
    await using second = await lab.capture({ filter: 'udp', network: 1 });
    await start(lab.host('machine'), 'server', { interfaces: ['eth1'] });
    await start(lab.host('machine'), 'client', { interfaces: ['eth1'] });
    // Asks on both networks; only one of them may answer.
    const other = await start(lab.host('other'), 'client');
    await waitForSighting(
      other,
      ({ url, deviceId }) => url === 'http://10.78.0.1:11435' && deviceId !== undefined,
    );
    await first.waitFor(({ src }) => src === '10.77.0.2');
    await second.waitFor(({ src, dst }) => src === '10.78.0.1' && dst === '255.255.255.255');
    const others = await lab.host('other').addresses();
    expect(first.packets.filter(({ src }) => !others.has(src))).toEqual([]);
    expect(sightings(other).some(({ url }) => url.startsWith('http://10.77.'))).toBe(false);
  });
});
