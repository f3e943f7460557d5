import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { GuardPlace } from './guard.ts';
import type { SeenLog } from './seen.ts';
import { type Desk, serve } from './serve.ts';
import type { World } from './world.ts';

/** The HTTP server, which can die and come back on its port. */
export class Listener {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #host: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port: number;

  /** `port` 0 takes any free port, and keeps it. */
  constructor(world: World, seen: SeenLog, host: string, port: number) {
    this.#world = world;
    this.#desk = { seen, place: placeOf(host), open: new Set() };
    this.#host = host;
    this.port = port;
  }

  /** Rejects with the listener's error; without effect where it listens already. */
  async start(): Promise<void> {
    if (this.#server) return;
    // Go's server has no time-outs, keeps idle connections for ever and takes 1 MiB of headers.
    const server = createServer(
      { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0, noDelay: true, maxHeaderSize: 1 << 20 },
      (req, res) => void serve(this.#world, this.#desk, req, res),
    );
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    const { models, blobs } = this.#world;
    blobs.prune(new Set(models.list().map((model) => `sha256:${model.digest}`)));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, this.#host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Breaks off every request and connection, and forgets what was loaded. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const exchange of this.#desk.open) exchange.brokenOff = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#world.scheduler.clear();
    await closed;
  }
}

function placeOf(host: string): GuardPlace {
  return {
    loopback: host.startsWith('127.') || host === '::1' || host === 'localhost',
    hostname: hostname(),
    addresses: Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address)),
  };
}
