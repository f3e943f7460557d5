import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { diceOf } from '../scripts/fleet/dice.ts';
import { systemClock } from '../src/clock.ts';
import { BeaconClient } from '../src/discovery/beacon-client.ts';
import { BeaconServer } from '../src/discovery/beacon-server.ts';
import type { Interfaces } from '../src/discovery/interfaces.ts';
import { decode, encodeBare, encodeGoodbye, encodeQuery, encodeReply } from '../src/discovery/wire.ts';
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
const VALID = [encodeBare(), encodeQuery(NONCE), encodeReply(NONCE, SPEAKER), encodeGoodbye(SPEAKER)];

/** Every prefix and bit flip of every datagram there is, and 10 000 random ones, most of which begin as one does. */
const HOSTILE: readonly Buffer[] = [
  ...VALID,
  ...VALID.flatMap((valid) => [...prefixesOf(valid), ...flipsOf(valid)]),
  ...[1, 2, 3, 4].flatMap((kind) =>
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
    expect(own.filter(({ hex }) => hex !== '4c414e41')).toEqual([]);
    expect(own.length).toBeLessThan(20); // Their rounds, however long this took.
    expect(forger.heard).toEqual([]);
  },
  PATIENCE_MS,
);

test(
  'a forged sender gets one datagram of each kind a second, and no byte more than was sent in its name',
  async () => {
    const port = await freePort();
    const clock = new ManualClock();
    await using gpu = server(port, { clock, networkInterfaces });
    await gpu.start();
    await using ear = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
    await using victim = await rawSocket(0, { address: '127.0.0.1' });
    const random = diceOf(3);
    for (let second = 1; second <= 5; second++) {
      const lot = Array.from({ length: 500 }, () => VALID[Math.floor(random() * VALID.length)] as Buffer);
      const before = victim.heard.length;
      await storm(victim, lot, { port, address: '127.0.0.1' }, ear);
      await until(5000, 'the answers', () => victim.heard.length >= before + 2);
      const got = victim.heard.slice(before).map(({ hex }) => hex.length / 2);
      expect(got.sort((a, b) => a - b)).toEqual([4, 112]);
      clock.advance(1000);
    }
  },
  PATIENCE_MS,
);

test(
  'a client takes all that can come from the discovery port without harm, and soon asks nobody any more',
  async () => {
    const port = await freePort();
    const clock = new ManualClock();
    const sightings = new Sightings();
    await using client = new BeaconClient({
      port,
      httpPort: 11435,
      interfaces: [LOOPBACK],
      clock,
      onSighting: sightings.add,
    });
    await client.start();
    await using ear = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
    await using forger = await rawSocket(port, { address: '127.0.0.2', reuseAddr: true });
    const idle = clock.pending;
    const asked = () => ear.heard.filter(({ hex, from }) => from === '127.0.0.1' && hex.length > 8).length;
    await storm(forger, HOSTILE, { port, address: ALL }, ear);
    expect(asked()).toBeLessThanOrEqual(10);
    expect(clock.pending).toBeLessThanOrEqual(idle + 2);
    clock.advance(1000);
    // The one that nobody explained, and nothing that was made up.
    expect(new Set(sightings.urls)).toEqual(new Set(['http://127.0.0.2:11435']));
    await using gpu = server(port, { clock });
    clock.advance(5000);
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
    expect(heapBytes() - before).toBeLessThan(3_000_000);
  },
  PATIENCE_MS,
);
