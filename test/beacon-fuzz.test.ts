import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BeaconClient } from '../src/discovery/beacon-client.ts';
import { BeaconServer } from '../src/discovery/beacon-server.ts';
import type { Interfaces } from '../src/discovery/interfaces.ts';
import {
  decode,
  encodeAnnouncement,
  encodeBare,
  encodeGoodbye,
  encodeQuery,
  encodeReply,
} from '../src/discovery/wire.ts';
import { deviceId, LOOPBACK, ManualClock, type RawSocket, rawSocket, Sightings } from './_beacon.ts';
import { until } from './_deadline.ts';
import { flipsOf, HastyClock, noiseOf, prefixesOf } from './_hostile.ts';
import { info } from './_mdns.ts';
import { freePort } from './_ports.ts';

const ALL = '127.255.255.255';
/** Loopback dressed as a network: there nobody is answered fifty times. */
const networkInterfaces = (): Interfaces => ({ [LOOPBACK]: [{ ...info('127.0.0.1/8'), internal: false }] });
const NONCE = '0102030405060708';
const SPEAKER = { httpPort: 11500, deviceId: deviceId('b'), name: 'gpu1' };
const VALID = [
  encodeBare(),
  encodeQuery(NONCE),
  encodeReply(NONCE, SPEAKER),
  encodeGoodbye(SPEAKER),
  encodeAnnouncement(SPEAKER),
];

/** Every prefix and bit flip of every datagram there is, and 12 500 random ones, most of which begin as one does. */
const HOSTILE: readonly Buffer[] = [
  ...VALID,
  ...VALID.flatMap((valid) => [...prefixesOf(valid), ...flipsOf(valid)]),
  ...[1, 2, 3, 4, 5].flatMap((kind) =>
    noiseOf(2500, Buffer.from(`4c414e4101${kind.toString(16).padStart(2, '0')}`, 'hex'), kind),
  ),
];

const server = (port: number, options: object = {}) =>
  new BeaconServer({
    port,
    httpPort: 11435,
    defaultHttpPort: 11435,
    deviceId: deviceId('a'),
    name: 'x'.repeat(63),
    interfaces: [LOOPBACK],
    clock: systemClock,
    ...options,
  });

/** Sends them all, never more at once than a socket buffers; after each lot, a mark that `heard` hears. */
async function storm(
  from: RawSocket,
  datagrams: readonly Buffer[],
  to: { port: number; address: string },
  heard: RawSocket,
) {
  for (let i = 0; i < datagrams.length; i += 40) {
    for (const bytes of datagrams.slice(i, i + 40))
      await from.send(bytes.toString('hex'), to.port, to.address);
    const mark = `${i.toString(16).padStart(8, '0')}ff`;
    await from.send(mark, to.port, ALL);
    await until(5000, `mark ${mark}`, () => heard.heard.slice(-60).some(({ hex }) => hex === mark), 0);
  }
}

/** Bytes in use after all garbage is gone. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Twelve thousand datagrams, each looked at by everybody on the machine. */
const PATIENCE_MS = 60_000;

test(
  'a server answers what asks, once each and never with more bytes, and nothing else of all that can come',
  async () => {
    const port = await freePort();
    await using gpu = server(port, { clock: new HastyClock() });
    await gpu.start();
    await using ear = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
    await using peer = await rawSocket(0, { address: '127.0.0.1' });
    await storm(peer, HOSTILE, { port, address: ALL }, ear);
    const expected = HOSTILE.flatMap((bytes) => {
      const datagram = decode(bytes);
      if (datagram?.kind === 'bare') return ['4c414e41'];
      if (datagram?.kind !== 'query') return [];
      return [
        encodeReply(datagram.nonce, {
          httpPort: 11435,
          deviceId: deviceId('a'),
          name: 'x'.repeat(63),
        }).toString('hex'),
      ];
    });
    await until(5000, 'the answers', () => peer.heard.length >= expected.length);
    expect(peer.heard.map(({ hex }) => hex)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(5000);
    // Longest answer, shortest question that gets it.
    expect(Math.max(...expected.map((hex) => hex.length / 2))).toBeLessThanOrEqual(128);
  },
  PATIENCE_MS,
);

test(
  'of all that can come from the discovery port a server answers nothing, whoever sends it',
  async () => {
    const port = await freePort();
    await using one = server(port, { clock: new HastyClock() });
    await using two = server(port, { clock: new HastyClock(), deviceId: deviceId('c'), httpPort: 11501 });
    await Promise.all([one.start(), two.start()]);
    await using ear = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
    await using forger = await rawSocket(port, { address: '127.0.0.2', reuseAddr: true });
    const before = ear.heard.length;
    await storm(forger, HOSTILE, { port, address: ALL }, ear);
    const own = ear.heard.slice(before).filter(({ from }) => from !== '127.0.0.2');
    expect(own.filter(({ hex }) => decode(Buffer.from(hex, 'hex'))?.kind !== 'announcement')).toEqual([]);
    expect(own.length).toBeLessThan(20); // Their rounds, however long this took.
    expect(forger.heard).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'a forged sender gets one datagram a second from a server, whatever its ports, and no byte more than was sent in its name',
  async () => {
    const port = await freePort();
    const clock = new ManualClock();
    await using gpu = server(port, { clock, networkInterfaces });
    await gpu.start();
    await using ear = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
    // In the name of one machine: from a port for each kind of datagram that there is.
    const victims = await Promise.all(VALID.map(() => rawSocket(0, { address: '127.0.0.3' })));
    onTestFinished(() => Promise.all(victims.map((victim) => victim[Symbol.asyncDispose]())).then(() => {}));
    await using marker = await rawSocket(0, { address: '127.0.0.4' });
    const heard = () => victims.flatMap((victim) => victim.heard);
    for (let second = 1; second <= 6; second++) {
      for (const [i, victim] of victims.entries()) {
        const lot = Array.from({ length: 100 }, () => VALID[i] as Buffer);
        await storm(victim, lot, { port, address: ALL }, ear);
      }
      // Answered after everything that came before it.
      await marker.send('4c414e41', port, ALL);
      await until(5000, 'the answer to another', () => marker.heard.length === second);
      await until(5000, 'the answer', () => heard().length >= second);
      expect(heard()).toHaveLength(second);
      clock.advance(1100);
    }
    const bytes = victims.map((victim) => victim.heard.map(({ hex }) => hex.length / 2));
    for (const [i, valid] of VALID.entries())
      expect(Math.max(0, ...(bytes[i] ?? []))).toBeLessThanOrEqual(valid.length);
    // Servers speak by replies, goodbyes and announcements; those are never answered.
    expect(bytes.slice(2)).toEqual([[], [], []]);
  },
  PATIENCE_MS,
);

test(
  'a client sends nothing to whoever seems to speak from the discovery port, whatever is said in its name',
  async () => {
    const port = await freePort();
    const clock = new ManualClock();
    const sightings = new Sightings();
    await using client = new BeaconClient({
      port,
      httpPort: 11435,
      interfaces: [LOOPBACK],
      clock,
      networkInterfaces,
      onSighting: sightings.add,
    });
    await client.start();
    await using ear = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
    await using forger = await rawSocket(port, { address: '127.0.0.2', reuseAddr: true });
    const idle = clock.pending;
    const said = () => ear.heard.filter(({ from }) => from === '127.0.0.1').length;
    await storm(forger, HOSTILE, { port, address: ALL }, ear);
    expect(said()).toBe(0);
    expect(clock.pending).toBeLessThanOrEqual(idle + 1);
    // It believes a thousand claims a second on loopback, where this is.
    expect(sightings.urls.length).toBeLessThanOrEqual(1000);
    expect(new Set(sightings.urls.map((url) => new URL(url).hostname))).toEqual(new Set(['127.0.0.2']));
    for (let round = 1; round <= 4; round += 1) {
      clock.advance(5500);
      await until(5000, 'a round', () => said() >= round);
    }
    // What it says, it says to all: four bytes a round, and one longer question.
    expect(said()).toBeLessThanOrEqual(6);
    expect(forger.heard).toEqual([]);
    await using gpu = server(port, { clock });
    await gpu.start();
    await sightings.waitFor(({ deviceId: id }) => id === deviceId('a'));
  },
  PATIENCE_MS,
);

test(
  'fifty thousand datagrams from hundreds of senders leave nothing behind',
  async () => {
    const port = await freePort();
    const clock = new ManualClock();
    await using gpu = server(port, { clock, networkInterfaces });
    await using client = new BeaconClient({
      port,
      httpPort: 11435,
      interfaces: [LOOPBACK],
      clock,
      networkInterfaces,
      onSighting: () => {},
    });
    await Promise.all([gpu.start(), client.start()]);
    await using ear = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
    const idle = clock.pending;
    const round = async (third: number) => {
      const [asker, speaker] = await Promise.all([
        rawSocket(0, { address: `127.1.${third}.2` }),
        rawSocket(port, { address: `127.1.${third}.3`, reuseAddr: true }),
      ]);
      const lot = Array.from({ length: 120 }, (_, i) => VALID[i % 3] as Buffer);
      await storm(asker, lot, { port, address: '127.0.0.1' }, ear);
      await storm(speaker, lot, { port, address: ALL }, ear);
      ear.heard.length = 0;
      await Promise.all([asker, speaker].map((each) => each[Symbol.asyncDispose]()));
    };
    for (let third = 0; third < 20; third++) await round(third);
    const before = heapBytes();
    for (let third = 20; third < 220; third++) await round(third);
    clock.advance(20_000);
    expect(clock.pending).toBe(idle);
    // Twice what it is; what a sender left behind, would add up.
    expect(heapBytes() - before).toBeLessThan(500_000);
  },
  PATIENCE_MS,
);
