import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { type Clock, systemClock } from '../src/clock.ts';
import { type ClientConfig, type CommonConfig, DEFAULTS, type ServerConfig } from '../src/config.ts';
import { startClient } from '../src/daemon/client.ts';
import type { Daemon } from '../src/daemon/daemon.ts';
import { startServer } from '../src/daemon/server.ts';
import type { ServerStatus } from '../src/daemon/status.ts';
import type { Log, LogFields } from '../src/observe/log.ts';
import {
  type SimulatedOllama,
  type SimulatedOllamaOptions,
  startSimulatedOllama,
} from '../src/simulate/ollama.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';

export interface ClusterOptions {
  /** One simulated Ollama each; default one with its default model. */
  readonly ollamas?: readonly SimulatedOllamaOptions[];
  /** Name of the model that each Ollama has loaded, in their order. */
  readonly loaded?: readonly (string | undefined)[];
  /** Puts a server-mode ollana before each simulated Ollama. */
  readonly serve?: boolean;
  /** Further `URL[=name]` for the client, which is not waited for. */
  readonly servers?: readonly string[];
  readonly client?: Partial<ClientConfig>;
  readonly server?: Partial<ServerConfig>;
  /** Time of the daemons and of the simulated Ollamas; default the machine's. */
  readonly clock?: Clock;
}

export interface Cluster extends AsyncDisposable {
  /** Of the client-mode daemon. */
  readonly url: string;
  readonly client: Daemon;
  /** Server-mode daemons, one before each simulated Ollama, or none. */
  readonly servers: readonly Daemon[];
  readonly ollamas: readonly SimulatedOllama[];
  readonly log: TestLog;
  /** The client's view of the server before simulated Ollama `i`. */
  view(i: number): ServerStatus;
}

/** Both topologies that every rule has to hold in. */
export const TOPOLOGIES = [
  { path: 'client -> Ollama', serve: false },
  { path: 'client -> serve -> Ollama', serve: true },
];

/**
 * Starts simulated Ollamas named a, b, c ..., perhaps server-mode daemons, and a client-mode daemon that names them
 * by URL, all in this process. Resolves when the client has read the lists of all of them.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const clock = options.clock ?? systemClock;
  const folder = temporaryDirectory('cluster');
  const ollamas: SimulatedOllama[] = [];
  const servers: Daemon[] = [];
  const log = new TestLog();
  let client: Daemon | undefined;
  const end = async () => {
    await client?.stop();
    for (const server of servers) await server.stop();
    for (const ollama of ollamas) await ollama[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  };
  try {
    for (const [i, one] of (options.ollamas ?? [{}]).entries()) {
      ollamas.push(await startSimulatedOllama({ clock, label: nameOf(i), ...one }));
      const model = options.loaded?.[i];
      if (model !== undefined) await ollamas[i]?.load(model);
    }
    if (options.serve) {
      for (const [i, { url }] of ollamas.entries()) {
        const common = commonConfig(join(folder.path, `server-${i}`), { ollama: url, name: nameOf(i) });
        const config = { ...common, mode: 'server', allow: new Set(), ...options.server } as ServerConfig;
        servers.push(await startServer(config, UNREAD_LOG, { clock }));
      }
    }
    const upstreams = options.serve ? servers : ollamas;
    const named = upstreams.map(({ url }, i) => `${url}=${nameOf(i)}`);
    const config = clientConfig(join(folder.path, 'client'), {
      name: 'laptop',
      servers: [...named, ...(options.servers ?? [])],
      ...options.client,
    });
    const daemon = await startClient(config, log, { clock });
    client = daemon;
    const view = (i: number) => {
      const found = daemon.status().servers.find(({ name }) => name === nameOf(i));
      if (!found) throw new Error(`the client does not know server ${nameOf(i)}`);
      return found;
    };
    await until(5000, 'the client to know its servers', () =>
      ollamas.every((ollama, i) => {
        const { verdict, models, loaded, version } = view(i);
        const whole = models.length === ollama.models.list().length && version !== undefined;
        const warm = options.loaded?.[i] === undefined || loaded.length > 0;
        return verdict === 'reliable' && whole && warm;
      }),
    );
    return { url: daemon.url, client: daemon, servers, ollamas, log, view, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

const nameOf = (i: number): string => String.fromCharCode(97 + i);

/** What both modes are told where a test does not care: loopback, free port, no discovery, own directory. */
export function commonConfig(dataDir: string, more: Partial<CommonConfig> = {}): CommonConfig {
  return {
    host: '127.0.0.1',
    port: 0,
    ollama: 'http://127.0.0.1:9',
    servers: [],
    discoveryPort: DEFAULTS.discoveryPort,
    interfaces: [],
    udp: false,
    mdns: false,
    dataDir,
    logFormat: 'auto',
    logLevel: 'silent',
    connectTimeoutMs: DEFAULTS.connectTimeoutMs,
    silenceTimeoutMs: 0,
    background: false,
    pidFile: join(dataDir, 'pid'),
    writesPidFile: false,
    name: 'test',
    origins: [],
    traces: false,
    ...more,
  };
}

/** The same for client mode, which leaves this machine's own Ollama out. */
export function clientConfig(dataDir: string, more: Partial<ClientConfig> = {}): ClientConfig {
  return {
    ...commonConfig(dataDir),
    mode: 'client',
    localFallback: false,
    policy: DEFAULTS.policy,
    raceWidth: DEFAULTS.raceWidth,
    holdMs: DEFAULTS.holdMs,
    protectContext: false,
    autoPull: false,
    ...more,
  };
}

/** A clock that runs `factor` times as fast as the machine's, so that minutes fit into a test. */
export function fasterClock(factor: number): Clock {
  return {
    now: () => systemClock.now() * factor,
    wall: () => systemClock.wall(),
    after: (ms, fn) => systemClock.after(ms / factor, fn),
    every: (ms, fn) => systemClock.every(ms / factor, fn),
  };
}

/** Keeps what is logged. */
export class TestLog implements Log {
  readonly lines: { level: string; message: string; fields: LogFields }[] = [];
  readonly debug = this.#keep('debug');
  readonly info = this.#keep('info');
  readonly warn = this.#keep('warn');
  readonly error = this.#keep('error');

  flush(): void {}

  writes(): boolean {
    return true;
  }

  /** Fields of all lines with this message. */
  said(message: string): readonly LogFields[] {
    return this.lines.filter((line) => line.message === message).map(({ fields }) => fields);
  }

  #keep(level: string): (message: string, fields?: LogFields) => void {
    return (message, fields = {}) => void this.lines.push({ level, message, fields });
  }
}

/** Takes what nobody looks at, and keeps none of it. */
const UNREAD_LOG: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  flush: () => {},
  writes: () => true,
};

export interface Listening extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Connections open now. */
  readonly sockets: ReadonlySet<Socket>;
}

/** Listens on loopback; disposal ends every connection. */
export async function listenOn(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // The other side may reset at any time.
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve());
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    sockets,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export interface UpstreamOptions {
  readonly models?: readonly string[];
  /** The models are loaded. */
  readonly loaded?: boolean;
  /** Rows of its lists, instead of those made of `models`. */
  readonly rows?: readonly unknown[];
}

/**
 * A server that passes for an Ollama which holds `models`, and hands everything but its lists to `handle`. For
 * answers that the simulated Ollama would not give. While `frozen`, it takes requests and answers none.
 */
export async function startUpstream(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
  { models = ['m'], loaded = false, rows }: UpstreamOptions = {},
): Promise<Listening & { frozen: boolean }> {
  const listed =
    rows ??
    models.map((name) => ({
      name: `${name}:latest`,
      model: `${name}:latest`,
      digest: '0'.repeat(64),
    }));
  const own: Readonly<Record<string, unknown>> = {
    '/api/version': { version: '0.17.4' },
    '/api/tags': { models: listed },
    '/api/ps': { models: loaded ? listed : [] },
  };
  const state = { frozen: false };
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    if (state.frozen) return;
    const value = request.method === 'GET' ? own[request.url ?? ''] : undefined;
    if (value) {
      // Closed, so that no connection is kept before the test's first request.
      response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', Connection: 'close' });
      response.end(JSON.stringify(value));
    } else if (request.url?.startsWith('/ollana/')) {
      response.writeHead(404).end('404 page not found');
    } else handle(request, response);
  });
  return Object.assign(state, await listenOn(server));
}

/** A client-mode daemon before servers that a test made itself; resolves when it knows all of them. */
export async function startBefore(
  urls: readonly string[],
  more: Partial<ClientConfig> = {},
  clock: Clock = systemClock,
): Promise<AsyncDisposable & { readonly url: string; readonly client: Daemon; readonly log: TestLog }> {
  const cluster = await startCluster({ ollamas: [], servers: urls, client: more, clock });
  try {
    await until(5000, 'the client to know its servers', () => {
      const { servers } = cluster.client.status();
      return (
        servers.length === urls.length && servers.every(({ version, models }) => version && models.length > 0)
      );
    });
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

/** An address on which nobody listens. */
export async function deadUrl(): Promise<string> {
  const server = await listenOn(createServer());
  const { url } = server;
  await server[Symbol.asyncDispose]();
  return url;
}

/** The first connection on which nothing has moved for a fifth of a second although there is more to send. */
export async function stuckSocket({ sockets }: Listening): Promise<Socket> {
  const before = new Map<Socket, { bytes: number; since: number }>();
  return until(10_000, 'a connection to be full', () => {
    for (const socket of sockets) {
      const known = before.get(socket);
      const bytes = socket.bytesWritten - socket.writableLength;
      if (!known || known.bytes !== bytes) before.set(socket, { bytes, since: performance.now() });
      else if (socket.writableLength > 0 && performance.now() - known.since > 200) return socket;
    }
    return undefined;
  });
}
