import { createHash } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { type KeyAndCertificate, selfSigned } from '../src/security/self-signed.ts';
import { type Listening, listenOn } from './_cluster-upstream.ts';
import type { Generation } from './_rust-client.ts';

/** A server of the Rust ollana in front of an Ollama, to the byte as 0.6.3 answers (0.1 to 0.6.0: without a type). */
export interface RustServer extends Listening {
  /** Method, path and headers of what it was asked, in order, and the port that it came from. */
  readonly asked: readonly {
    readonly line: string;
    readonly headers: readonly string[];
    readonly from: number | undefined;
  }[];
  /** Ids that its owner has allowed; they may change. */
  readonly allowed: Set<string>;
  /** Starts again with another certificate, as one that was installed anew: its connections end. */
  renew(): void;
  /** SHA-256 of the certificate it shows. */
  readonly sha256: string;
}

export interface RustServerOptions {
  readonly generation: Generation;
  /** URL of its Ollama. */
  readonly ollama: string;
  /** 0.6.1 and later give every answer this type; before, there is none. */
  readonly octets?: boolean;
  /** Idle connections are closed after this, ms; actix has 5000. */
  readonly idleMs?: number;
}

/** What its certificates say of themselves. */
const RUST_NAME = 'rcgen self signed cert';
const DATE = 'date: Sat, 04 Oct 2025 12:00:00 GMT\r\n';
const REFUSAL = `HTTP/1.1 401 Unauthorized\r\ncontent-length: 24\r\nconnection: close\r\ncontent-type: text/plan\r\n${DATE}\r\nDevice is not authorized`;
/** To what is no HTTP, such as TLS to one that speaks none. */
const BAD_REQUEST = `HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n${DATE}\r\n`;
const REASONS: Readonly<Record<number, string>> = { 200: 'OK', 400: 'Bad Request', 404: 'Not Found' };

/** Starts one on loopback. It passes method, path, query and body on, and nothing of the headers, either way. */
export async function startRustServer(options: RustServerOptions): Promise<RustServer> {
  const { generation, idleMs = 5000 } = options;
  const asked: { line: string; headers: readonly string[]; from: number | undefined }[] = [];
  const allowed = new Set<string>();
  let own: KeyAndCertificate = selfSigned(RUST_NAME);
  const answer = async (socket: Socket, head: Head, body: Buffer): Promise<void> => {
    asked.push({ line: `${head.method} ${head.path}`, headers: head.rawHeaders, from: socket.remotePort });
    const knows = allowed.has(head.headers.get('x-ollana-device-id') ?? '');
    if (generation === 3 && head.path !== '/api/version' && !knows) {
      return void socket.end(REFUSAL);
    }
    if (generation === 3 && head.path === '/ollana/api/authorize') {
      const text = JSON.stringify({ device_id: 'cd'.repeat(32) });
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\ncontent-type: application/json\r\n${DATE}\r\n${text}`,
      );
      return;
    }
    return forward(options, socket, head, body);
  };
  const serve = (socket: Socket) => {
    socket.on('error', () => {});
    socket.on('timeout', () => socket.destroy());
    void serveOn(socket, (head, body) => {
      socket.setTimeout(0);
      return answer(socket, head, body).finally(() => socket.setTimeout(idleMs));
    }).catch(() => {}); // It broke, or spoke plain HTTP to TLS; 'error' and 'close' say so.
  };
  const server = net.createServer((socket) => {
    if (generation === 1) return serve(socket);
    const secured = new tls.TLSSocket(socket, {
      isServer: true,
      ...own,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    serve(secured);
  });
  const listening = await listenOn(server);
  return {
    ...listening,
    asked,
    allowed,
    renew() {
      own = selfSigned(RUST_NAME);
      for (const socket of listening.sockets) socket.destroy();
    },
    get sha256() {
      return sha256Of(own.cert);
    },
  };
}

function sha256Of(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return createHash('sha256').update(der).digest('hex');
}

interface Head {
  readonly method: string;
  readonly path: string;
  readonly rawHeaders: readonly string[];
  readonly headers: ReadonlyMap<string, string>;
}

/** Reads requests from a connection, one after the other. */
async function serveOn(socket: Socket, answer: (head: Head, body: Buffer) => Promise<void>): Promise<void> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    const read = readRequest(bytes);
    if (read === 'rubbish') return void socket.end(BAD_REQUEST);
    if (!read) continue;
    bytes = Buffer.from(read.rest);
    await answer(read.head, read.body);
  }
}

function readRequest(bytes: Buffer): 'rubbish' | { head: Head; body: Buffer; rest: Buffer } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (bytes.length > 0 && !/^[A-Z]/.test(bytes.toString('latin1', 0, 1))) return 'rubbish';
  if (end === -1) return undefined;
  const [line = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const [method = '', path = ''] = line.split(' ');
  const pairs = lines.map((one) => /^([^:]+):\s*(.*)$/.exec(one)?.slice(1) ?? ['', '']);
  const headers = new Map(pairs.map(([name = '', value = '']) => [name.toLowerCase(), value]));
  const head = { method, path, rawHeaders: pairs.flat(), headers };
  const rest = bytes.subarray(end + 4);
  if (headers.get('transfer-encoding') !== 'chunked') {
    const length = Number(headers.get('content-length') ?? 0);
    if (rest.length < length) return undefined;
    return { head, body: rest.subarray(0, length), rest: rest.subarray(length) };
  }
  const last = rest.indexOf('0\r\n\r\n');
  if (last === -1) return undefined;
  const text = rest.toString('latin1', 0, last).replace(/(?:^|\r\n)[0-9a-f]+\r\n/gi, '');
  return { head, body: Buffer.from(text, 'latin1'), rest: rest.subarray(last + 5) };
}

function forward(
  { ollama, octets }: RustServerOptions,
  socket: Socket,
  { method, path }: Head,
  body: Buffer,
): Promise<void> {
  return new Promise((resolve) => {
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const sent = request(ollama + path, {
      method,
      headers: { accept: '*/*', ...(hasBody && { 'transfer-encoding': 'chunked' }) },
    });
    const gone = () => void sent.destroy();
    socket.once('close', gone);
    const done = () => {
      socket.off('close', gone);
      resolve();
    };
    sent.on('response', (answered: IncomingMessage) => {
      const { statusCode = 500 } = answered;
      const type = octets ? 'content-type: application/octet-stream\r\n' : '';
      socket.write(
        `HTTP/1.1 ${statusCode} ${REASONS[statusCode] ?? ''}\r\ntransfer-encoding: chunked\r\n${type}${DATE}\r\n`,
      );
      answered.on('data', (chunk: Buffer) => {
        socket.write(`${chunk.length.toString(16).toUpperCase()}\r\n`);
        socket.write(chunk);
        socket.write('\r\n');
      });
      answered.on('end', () => {
        if (method !== 'HEAD') socket.write('0\r\n\r\n');
        done();
      });
      answered.on('error', () => {
        socket.destroy(); // Cut off without the last chunk.
        done();
      });
    });
    sent.on('error', ({ message }) => {
      const text = `error sending request for url (${ollama}${path}): ${message}`;
      if (!socket.destroyed)
        socket.write(
          `HTTP/1.1 500 Internal Server Error\r\ncontent-length: ${text.length}\r\n${DATE}\r\n${text}`,
        );
      done();
    });
    sent.end(hasBody ? body : undefined);
  });
}
