import http, {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { isOwnAddress, type LimitName, type OnLimit } from '../limits.ts';
import { answerRaw, type RawAnswer } from '../proxy/raw-answer.ts';
import { leaveRest } from '../proxy/upload.ts';

/** A peer that dribbles its header is cut off after this, ms: an honest one fits into a few packets. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** How often Node looks who is over that, ms; its own 30 s would let them stay four times as long. */
const LOOK_EVERY_MS = 2000;
/** Longer than apps pause between two turns of a conversation, ms; Ollama itself never closes. */
const KEEP_ALIVE_MS = 75_000;
/** Ollama (Go) takes 1 MiB; nobody honest needs more than this. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Browsers send 20 lines, proxies add some more. */
export const MAX_HEADER_LINES = 256;
/** Requests on one connection that wait for the first one's answer; no client in use sends any. */
export const MAX_PIPELINED = 16;

export interface HeaderLimits {
  readonly clock: Clock;
  readonly onLimit: OnLimit;
}

interface Refusal extends RawAnswer {
  readonly limit: LimitName;
}

/** What Node says of a connection, and what it is told. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    limit: 'header-bytes',
    status: 431,
    code: 'OLLANA_BAD_REQUEST',
    message: `the header of this request is over ${MAX_HEADER_BYTES / 1024} kB: send fewer or shorter headers`,
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    limit: 'header-bytes',
    status: 413,
    code: 'OLLANA_BAD_REQUEST',
    message: 'the chunk extensions of this request are over 16 kB: send it without them',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    limit: 'header-time',
    status: 408,
    code: 'OLLANA_BAD_REQUEST',
    message: `the header of this request did not come within ${HEADERS_TIMEOUT_MS / 1000} s: send it at once`,
  },
};

/** An HTTP server that bounds what requests have for a header, and hands those within the bounds to `handle`. */
export function headerLimited(handle: RequestListener, { clock, onLimit }: HeaderLimits): Server {
  const open = new WeakMap<Socket, Set<ServerResponse>>();
  const server = http.createServer(
    {
      requestTimeout: 0,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: LOOK_EVERY_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      noDelay: true,
    },
    (request, response) => {
      const { socket } = request;
      const report = (limit: LimitName) =>
        onLimit({ type: 'limit-reached', limit, peer: socket.remoteAddress });
      if (socket.destroyed) return; // The rest of what came with a request that ended the connection.
      const responses = open.get(socket) ?? new Set();
      open.set(socket, responses.add(response));
      response.once('close', () => responses.delete(response));
      // Answered before all of it has come: else the rest, however long, would be read and thrown away.
      if (!isOwnAddress(socket.remoteAddress)) response.once('prefinish', () => leaveRest(request, clock));
      if (responses.size > MAX_PIPELINED) {
        // The answers of those before it come first, so there is no place for words.
        report('pipelined-requests');
        socket.destroy();
      } else if (request.rawHeaders.length > 2 * MAX_HEADER_LINES) {
        report('header-count');
        refuse(request, response);
      } else handle(request, response);
    },
  );
  // Node would leave out what is over its own count without a word; the bytes bound them before they are counted.
  server.maxHeadersCount = 0;
  server.on('clientError', (error: NodeJS.ErrnoException, duplex) => {
    const socket = duplex as Socket;
    const refusal = REFUSALS[error.code ?? ''];
    if (refusal) onLimit({ type: 'limit-reached', limit: refusal.limit, peer: socket.remoteAddress });
    const hasBegun = [...(open.get(socket) ?? [])].some((response) => response.headersSent);
    if (hasBegun || !socket.writable) return void socket.destroy();
    if (refusal) return answerRaw(socket, clock, refusal);
    socket.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    socket.destroy();
  });
  return server;
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  const error = `this request has over ${MAX_HEADER_LINES} headers: send fewer`;
  const body = JSON.stringify({ error });
  response.writeHead(431, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'X-Ollana-Error': 'OLLANA_BAD_REQUEST',
    Connection: 'close',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
