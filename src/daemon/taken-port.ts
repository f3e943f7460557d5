import type { Server as HttpServer } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import type { Cancel, Clock } from '../clock.ts';
import { OLLAMA_PORT } from '../config/own-ollama.ts';
import { reasonOf } from '../errors.ts';
import type { Log } from '../observe/log.ts';
import { ollamaWantsPort } from '../server/ollama-retries.ts';

export interface TakenPortOptions {
  /** Serves what comes to the port. */
  readonly face: HttpServer;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether an Ollama tries to listen there and cannot. */
  readonly isWanted?: (() => Promise<boolean>) | undefined;
  /** The port; Ollama's own unless a test says otherwise. */
  readonly port?: number;
}

/** How often the port, or who wants it, is looked at, ms: an Ollama that is kept out waits no longer than this. */
const LOOK_EVERY_MS = 5000;
/** An Ollama that ends and is back within this, ms, was updated or restarted: its port is not taken meanwhile. */
const AWAY_MS = 30_000;
/** `localhost` is either. */
const HOSTS = ['127.0.0.1', '::1'] as const;

/**
 * Ollama's own port on this machine's loopback, while no Ollama wants it: what comes there is served as on ollana's own
 * port. Never fights for it: a port that somebody has is left to him, and one that an Ollama is refused is given back.
 */
export class TakenPort implements AsyncDisposable {
  readonly #options: TakenPortOptions;
  readonly #port: number;
  #held: readonly Server[] = [];
  #busySince: number | undefined;
  #isLooking = false;
  #over = false;
  #stop: Cancel = () => {};

  constructor(options: TakenPortOptions) {
    this.#options = options;
    this.#port = options.port ?? OLLAMA_PORT;
  }

  /** Whether the port is ours now. */
  get isHeld(): boolean {
    return this.#held.length > 0;
  }

  /** Takes the port if it is free; looks again and again from now on. Never rejects. */
  async start(): Promise<void> {
    await this.#look();
    if (!this.#over) this.#stop = this.#options.clock.every(LOOK_EVERY_MS, () => void this.#look());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    this.#stop();
    this.#giveBack();
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      if (this.isHeld) await this.#yield();
      else await this.#tryTake();
    } finally {
      this.#isLooking = false;
    }
  }

  async #yield(): Promise<void> {
    const { isWanted = ollamaWantsPort, log, clock } = this.#options;
    if (!(await isWanted()) || this.#over) return;
    this.#giveBack();
    this.#busySince = clock.now();
    log.info('given back: an Ollama wants its port', { port: this.#port });
  }

  async #tryTake(): Promise<void> {
    const { clock, log } = this.#options;
    if (this.#busySince !== undefined) {
      // Asked without listening, even for a moment: an Ollama that begins just then would be refused.
      if (await answers(this.#port)) this.#busySince = clock.now();
      if (clock.now() - this.#busySince < AWAY_MS) return;
    }
    const first = await this.#listen(HOSTS[0]);
    if (typeof first === 'string') {
      if (this.#busySince === undefined) {
        const message = `port ${this.#port} is somebody's (${first}) and left to him; apps that know no other port get that`;
        log.warn(`${message}; \`ollana port\` says who it is, \`ollana port take\` moves an Ollama aside`);
      }
      this.#busySince = clock.now();
      return;
    }
    const second = await this.#listen(HOSTS[1]);
    // Somebody has the other one of the two: `localhost` would be one or the other by chance.
    if (second === 'EADDRINUSE' || this.#over) {
      first.close();
      if (typeof second !== 'string') second.close();
      return;
    }
    this.#busySince = undefined;
    this.#held = [first, ...(typeof second === 'string' ? [] : [second])];
    log.info('listening on the port of Ollama, too', { url: `http://127.0.0.1:${this.#port}` });
  }

  /** A server that listens, or why not. */
  #listen(host: string): Promise<Server | string> {
    // As the HTTP server's own: a client may be done with sending long before it has its answer.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      // From here on it is a connection like those of ollana's own port, and ends with them.
      this.#options.face.emit('connection', socket);
    });
    return new Promise((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? reasonOf(error)));
      server.listen({ host, port: this.#port, ipv6Only: host.includes(':') }, () => resolve(server));
    });
  }

  /** Requests in flight go on; the port is free at once. */
  #giveBack(): void {
    for (const server of this.#held) server.close();
    this.#held = [];
  }
}

/** Whether somebody takes connections on a port of this machine's loopback. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOSTS[0], port });
    const end = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
