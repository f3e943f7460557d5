import { rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import dnsPacket from 'dns-packet';
import { AddedServers } from '../src/discovery/added-servers.ts';
import { BeaconClient } from '../src/discovery/beacon-client.ts';
import { DnsSrv } from '../src/discovery/dns-srv.ts';
import { readHeartbeat } from '../src/discovery/heartbeat.ts';
import { MdnsBrowser } from '../src/discovery/mdns-browser.ts';
import { Registrations } from '../src/discovery/registrations.ts';
import { ServerFile } from '../src/discovery/server-file.ts';
import type { DiscoverySource, OnSighting } from '../src/discovery/sighting.ts';
import { StaticServers } from '../src/discovery/static.ts';
import { decode, encodeAnnouncement, encodeGoodbye, encodeReply } from '../src/discovery/wire.ts';
import { deviceId, LOOPBACK, ManualClock, rawSocket } from './_beacon.ts';
import { temporaryDirectory } from './_daemon.ts';
import { a, nameServer, srv } from './_dns.ts';
import { flipsOf, noiseOf, prefixesOf } from './_hostile.ts';
import { peer, recordsOf, responseOf } from './_mdns.ts';
import { freePort } from './_ports.ts';

const ALL = '127.255.255.255';
const FOREVER = Number.POSITIVE_INFINITY;

/** Where a source learns of servers, and one server there: to be made to come, leave and lie. */
export interface Medium extends AsyncDisposable {
  readonly clock: ManualClock;
  /** A new source, not started. With `own` it knows its own device where it can know devices at all. */
  source(onSighting: OnSighting, own?: string): DiscoverySource;
  /** The server is there from now on, as this device. Sources that look at their leisure are made to look. */
  appear(id: string): Promise<void>;
  /** The server is silent from now on. */
  vanish(): Promise<void>;
  /** The server leaves and says so. */
  leave(): Promise<void>;
  /** What no honest server says. */
  lie(): Promise<void>;
}

export interface SourceKind {
  readonly name: string;
  /** What the source says of the server. */
  readonly url: string;
  readonly leaseMs: number;
  /** Whether it is told which device it is, and so can leave its own out by itself. */
  readonly knowsDevices: boolean;
  /** Whether a server can take itself back. */
  readonly hasGoodbye: boolean;
  readonly medium: () => Promise<Medium>;
}

const nothing = async () => {};

async function beacon(): Promise<Medium> {
  const port = await freePort();
  const clock = new ManualClock();
  const gpu = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
  let id: string | undefined;
  const speaker = () => ({ httpPort: 11_500, deviceId: id ?? deviceId('f'), name: 'gpu1' });
  gpu.onMessage((hex, from) => {
    const datagram = decode(Buffer.from(hex, 'hex'));
    if (id !== undefined && datagram?.kind === 'query')
      void gpu.send(encodeReply(datagram.nonce, speaker()).toString('hex'), from.port, '127.0.0.1');
  });
  const say = (bytes: Buffer) => gpu.send(bytes.toString('hex'), port, ALL);
  return {
    clock,
    source: (onSighting, ownDeviceId) =>
      new BeaconClient({ port, httpPort: 11_435, interfaces: [LOOPBACK], clock, onSighting, ownDeviceId }),
    async appear(as) {
      id = as;
      await say(encodeAnnouncement(speaker()));
    },
    async vanish() {
      id = undefined;
    },
    async leave() {
      await say(encodeGoodbye(speaker()));
      id = undefined;
    },
    async lie() {
      const forged = encodeReply('0102030405060708', { ...speaker(), httpPort: 1 });
      const bye = encodeGoodbye({ ...speaker(), deviceId: deviceId('e') });
      for (const bytes of [forged, bye, ...flipsOf(bye), ...noiseOf(500, forged.subarray(0, 6))])
        await say(bytes);
    },
    [Symbol.asyncDispose]: () => gpu[Symbol.asyncDispose](),
  };
}

async function mdns(): Promise<Medium> {
  const port = await freePort();
  const clock = new ManualClock();
  const gpu = await peer(port);
  const records = (id: string, ttl = 120) =>
    responseOf(recordsOf({ ttl, text: [`id=${id}`, 'name=gpu1', 'version=1.0.0'] }));
  return {
    clock,
    source: (onSighting, ownDeviceId) =>
      new MdnsBrowser({ port, interfaces: [LOOPBACK], clock, onSighting, ownDeviceId }),
    appear: (id) => gpu.send(records(id)),
    vanish: nothing,
    leave: () => gpu.send(records(deviceId('a'), 0)),
    async lie() {
      const far = responseOf(recordsOf({ label: 'far', addresses: ['8.8.8.8', '0.0.0.0', '224.0.0.1'] }));
      const question = dnsPacket.encode({
        type: 'query',
        questions: [{ type: 'PTR', name: '_ollana._tcp.local' }],
      });
      const lies = [far, question, ...prefixesOf(far), ...noiseOf(200, far.subarray(0, 12))];
      for (const bytes of lies) await gpu.send(bytes);
      await gpu.sendFromElsewhere(responseOf(recordsOf({ port: 1 })));
      // The socket takes so much a second.
      clock.advance(1000);
    },
    [Symbol.asyncDispose]: () => gpu[Symbol.asyncDispose](),
  };
}

const NAME = '_ollama._tcp.gpu.example';

async function dns(): Promise<Medium> {
  const clock = new ManualClock();
  const away = () => ({ code: 2 });
  const zone = await nameServer(() => ({}));
  return {
    clock,
    source: (onSighting) =>
      new DnsSrv({
        names: [`dns:${NAME}@127.0.0.1:${zone.port}`],
        httpPort: 11_435,
        clock,
        random: () => 0,
        onSighting,
      }),
    async appear() {
      zone.say = () => ({
        answers: [srv(NAME, 'gpu.example', 11_500, 0, 5)],
        additionals: [a('gpu.example', '127.0.0.1', 5)],
      });
      clock.advance(5000);
    },
    async vanish() {
      zone.say = away;
    },
    async leave() {
      zone.say = () => ({});
      clock.advance(5000);
    },
    async lie() {
      for (const liar of [() => Buffer.alloc(0), () => Buffer.alloc(600, 0xc0), away]) {
        const asked = zone.asked.length;
        zone.say = liar;
        for (let i = 0; i < 60 && zone.asked.length === asked; i++) {
          clock.advance(1000);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    },
    [Symbol.asyncDispose]: () => zone[Symbol.asyncDispose](),
  };
}

async function file(): Promise<Medium> {
  const folder = temporaryDirectory('sources');
  const path = join(folder.path, 'servers.txt');
  const clock = new ManualClock();
  let version = 0;
  const write = async (text: string) => {
    // Whole or not at all, and of another size each time.
    version += 1;
    await writeFile(`${path}.new`, `#${'.'.repeat(version)}\n${text}\n`);
    await rename(`${path}.new`, path);
    clock.advance(1000);
  };
  await write('');
  return {
    clock,
    source: (onSighting) => new ServerFile({ file: path, clock, onSighting }),
    appear: () => write('127.0.0.1:11500=gpu1'),
    vanish: nothing,
    leave: () => write(''),
    lie: () =>
      write(
        `nonsense\n${noiseOf(100, Buffer.from('ftp://'))
          .map((bytes) => bytes.toString('latin1').replaceAll(/[\r\n]/g, ''))
          .join('\n')}`,
      ),
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}

async function named(): Promise<Medium> {
  return {
    clock: new ManualClock(),
    source: (onSighting) => new StaticServers({ servers: ['127.0.0.1:11500=gpu1'], onSighting }),
    appear: nothing,
    vanish: nothing,
    leave: nothing,
    lie: nothing,
    [Symbol.asyncDispose]: nothing,
  };
}

async function added(): Promise<Medium> {
  const folder = temporaryDirectory('sources');
  const clock = new ManualClock();
  const all: AddedServers[] = [];
  const address = { url: 'http://127.0.0.1:11500', name: 'gpu1' };
  const each = async (what: (one: AddedServers) => Promise<unknown>) => {
    // One that has ended says so.
    await Promise.allSettled(all.map(what));
  };
  return {
    clock,
    source(onSighting) {
      const path = join(folder.path, `${all.length}.json`);
      const source = new AddedServers({ file: path, fixed: new Set(), clock, onSighting });
      all.push(source);
      return source;
    },
    appear: () => each((one) => one.add(address, false)),
    vanish: nothing,
    leave: () => each((one) => one.remove(address.url)),
    lie: () => each((one) => one.remove('http://127.0.0.1:1')),
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  };
}

async function heartbeat(): Promise<Medium> {
  const clock = new ManualClock();
  const all: { readonly registrations: Registrations; stopped: boolean }[] = [];
  // As the daemon does, which stops listening before anything else.
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      try {
        const beat = readHeartbeat(JSON.parse(Buffer.concat(chunks).toString()));
        for (const one of all)
          if (!one.stopped) one.registrations.hear(beat, request.socket.remoteAddress ?? '');
        response.end();
      } catch {
        response.writeHead(400).end();
      }
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as { port: number };
  const post = async (body: unknown) => {
    clock.advance(1000);
    await fetch(`http://127.0.0.1:${port}/nodes/heartbeat`, { method: 'POST', body: JSON.stringify(body) });
  };
  return {
    clock,
    source(onSighting) {
      const registrations = new Registrations({
        clock,
        onSighting,
        interfaces: () => ({}),
        isSameDevice: async () => true,
      });
      const one = { registrations, stopped: true };
      all.push(one);
      let ended = false;
      return {
        async start() {
          one.stopped = ended;
        },
        refresh: () => {},
        async [Symbol.asyncDispose]() {
          ended = true;
          one.stopped = true;
        },
      };
    },
    appear: (id) => post({ node_id: id, port: 11_500 }),
    vanish: nothing,
    leave: nothing,
    async lie() {
      const bodies = [
        null,
        7,
        [],
        {},
        { node_id: 'x', port: 0 },
        { node_id: 'x', port: 70_000 },
        { node_id: '', port: 1 },
      ];
      // An address of its own making is not where it connected from.
      for (const body of bodies) await post(body);
      await post({ node_id: 'x', port: 11_500, ipv4: '8.8.8.8', ipv6: '2001:db8::1' });
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        http.closeAllConnections();
        http.close(() => resolve());
      }),
  };
}

const URL = 'http://127.0.0.1:11500';

/** Every way in which servers are found. */
export const SOURCES: readonly SourceKind[] = [
  { name: 'beacon', url: URL, leaseMs: 15_000, knowsDevices: true, hasGoodbye: true, medium: beacon },
  { name: 'mdns', url: URL, leaseMs: 120_000, knowsDevices: true, hasGoodbye: true, medium: mdns },
  { name: 'dns', url: URL, leaseMs: 15_000, knowsDevices: false, hasGoodbye: true, medium: dns },
  { name: 'file', url: URL, leaseMs: FOREVER, knowsDevices: false, hasGoodbye: true, medium: file },
  { name: 'static', url: URL, leaseMs: FOREVER, knowsDevices: false, hasGoodbye: false, medium: named },
  { name: 'added', url: URL, leaseMs: FOREVER, knowsDevices: false, hasGoodbye: true, medium: added },
  { name: 'heartbeat', url: URL, leaseMs: 60_000, knowsDevices: false, hasGoodbye: false, medium: heartbeat },
];
