import net, { type AddressInfo, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { type Clock, systemClock } from '../src/clock.ts';
import type { ClientConfig, ServerConfig } from '../src/config.ts';
import { startClient } from '../src/daemon/client.ts';
import type { Daemon } from '../src/daemon/daemon.ts';
import { startServer } from '../src/daemon/server.ts';
import { changeDevices, type Device, rightsFor, withDevice } from '../src/security/allow-list.ts';
import { type Dial, PLAIN } from '../src/security/dial.ts';
import { loadIdentity } from '../src/security/identity.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import type { KeyAndCertificate } from '../src/security/self-signed.ts';
import {
  type SimulatedOllama,
  type SimulatedOllamaOptions,
  startSimulatedOllama,
} from '../src/simulate/ollama.ts';
import { clientConfig, commonConfig, TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { next, until } from './_deadline.ts';
import type { Answer } from './_simulate-client.ts';

/** An address of this machine that is not loopback: connecting to it goes through the kernel only. */
export const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((infos) => infos ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

/** Why no test can come from outside here. */
export const noOutside = OUTSIDE === undefined ? 'this machine has no address but loopback' : undefined;

/** A laptop and a GPU machine, as two data directories with an identity each. */
export interface Two extends AsyncDisposable {
  readonly serverDir: string;
  readonly clientDir: string;
  readonly serverId: string;
  readonly clientId: string;
  readonly log: TestLog;
  /** Enters each into the other's list. */
  pair(manage?: boolean): Promise<void>;
  /** Server mode, reached from outside at the URL. */
  serve(
    more?: Partial<ServerConfig>,
    options?: SimulatedOllamaOptions,
    clock?: Clock,
  ): Promise<Daemon & { outside: string; ollama: SimulatedOllama }>;
  client(servers: readonly string[], more?: Partial<ClientConfig>): Promise<Daemon>;
}

export async function startTwo(): Promise<Two> {
  const folder = temporaryDirectory('paired');
  const [serverDir, clientDir] = [join(folder.path, 'server'), join(folder.path, 'client')];
  const [serverId, clientId] = [loadIdentity(serverDir).deviceId, loadIdentity(clientDir).deviceId];
  const ends: (() => Promise<void>)[] = [() => Promise.resolve(folder[Symbol.dispose]())];
  const log = new TestLog();
  return {
    serverDir,
    clientDir,
    serverId,
    clientId,
    log,
    async pair(manage = false) {
      await allow(serverDir, clientId, 'laptop', manage);
      await allow(clientDir, serverId, 'gpu');
    },
    async serve(more = {}, options = {}, clock = systemClock) {
      const ollama = await startSimulatedOllama({ clock: systemClock, ...options });
      ends.push(async () => ollama[Symbol.asyncDispose]());
      const common = commonConfig(serverDir, { ollama: ollama.url, name: 'gpu', host: '0.0.0.0' });
      const daemon = await startServer(
        { ...common, mode: 'server', allow: new Set(), ...more } as ServerConfig,
        new TestLog(),
        { clock },
      );
      ends.push(() => daemon.stop());
      await until(5000, 'the server to have its Ollama', () => daemon.status().ollama?.up);
      return Object.assign(daemon, { outside: `http://${OUTSIDE}:${new URL(daemon.url).port}`, ollama });
    },
    async client(servers, more = {}) {
      const daemon = await startClient(clientConfig(clientDir, { name: 'laptop', servers, ...more }), log);
      ends.push(() => daemon.stop());
      return daemon;
    },
    [Symbol.asyncDispose]: async () => {
      for (const end of ends.reverse()) await end();
    },
  };
}

export async function allow(
  dataDir: string,
  id: string,
  name = '',
  manage = false,
): Promise<readonly Device[]> {
  const device = { id, name, since: '2026-01-01T00:00:00.000Z', rights: rightsFor(manage) };
  return changeDevices(dataDir, (devices) => withDevice(devices, device));
}

export async function disable(dataDir: string, id: string): Promise<void> {
  await changeDevices(dataDir, (devices) => devices.filter((device) => device.id !== id));
}

/** Resolves when `daemon` uses a server with models. */
export function untilUsed(daemon: Daemon): Promise<unknown> {
  return until(5000, 'a server to be used', () =>
    daemon.status().servers.some(({ verdict, models }) => verdict === 'reliable' && models.length > 0),
  );
}

/** An agent that shows this certificate to whoever answers, by TLS. */
export function agentAs(own: KeyAndCertificate): PathAgent {
  const dial: Dial = { type: 'tls', own, refuses: () => undefined };
  return new PathAgent({ keepAlive: false }, { ...PLAIN, dial: () => dial });
}

/** Somebody on the wire who answers instead of the server: by TLS with a certificate of its own, and in the clear. */
export interface Interloper extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Bytes that it got to read, decrypted where it was TLS. */
  readonly heard: () => string;
  /** Connections made to it. */
  readonly met: () => number;
}

/** Passes what it hears on to `host:port` by TLS, with its own certificate there, too, and answers what comes back. */
export async function startInterloper(
  own: KeyAndCertificate,
  host: string,
  port: number,
  at = 0,
  address = '127.0.0.1',
): Promise<Interloper> {
  let heard = '';
  let met = 0;
  const relay = (near: Socket) => {
    near.on('error', () => {});
    const far = tls.connect({ host, port, ...own, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    far.on('error', () => near.destroy());
    near.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      far.write(chunk);
    });
    far.on('data', (chunk: Buffer) => near.write(chunk));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  };
  const secure = tls.createServer({ ...own, requestCert: true, rejectUnauthorized: false }, relay);
  secure.on('tlsClientError', () => {});
  const sockets = new Set<Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    met += 1;
    socket.on('error', () => {});
    socket.once('data', (first: Buffer) => {
      socket.pause();
      socket.unshift(first);
      if (first[0] === 0x16) secure.emit('connection', socket);
      else {
        relay(socket);
        socket.resume();
      }
    });
  });
  const listening = next(server, 'listening', 5000);
  server.listen(at, address);
  await listening;
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    heard: () => heard,
    met: () => met,
    [Symbol.asyncDispose]: async () => {
      const closed = next(server, 'close', 5000);
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The error in an answer in Ollama's shape. */
export const errorIn = ({ text }: Answer): string => (JSON.parse(text) as { error: string }).error;
