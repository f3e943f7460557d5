import { rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { AddedServers } from '../src/discovery/added-servers.ts';
import { readHeartbeat } from '../src/discovery/heartbeat.ts';
import { Registrations } from '../src/discovery/registrations.ts';
import { ServerFile } from '../src/discovery/server-file.ts';
import { StaticServers } from '../src/discovery/static.ts';
import { ManualClock } from './_beacon.ts';
import { temporaryDirectory } from './_daemon.ts';
import { noiseOf } from './_hostile.ts';
import { type Medium, nothing } from './_sources-medium.ts';
import { beacon, dns, mdns } from './_sources-network.ts';

const FOREVER = Number.POSITIVE_INFINITY;

/** A way in which servers are found, and what a test may expect of it. */
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
