import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Server, Socket } from 'node:net';
import { until } from './_deadline.ts';

/** A server of a test that listens on loopback. */
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

/** What an upstream says of itself in its lists. */
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
