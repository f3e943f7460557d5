import { createServer, type Socket } from 'node:net';
import { type Listening, listenOn } from './_cluster-upstream.ts';

/** A request as it stood on the wire. */
export interface Arrived {
  /** Which connection, counted from 1. */
  readonly connection: number;
  readonly method: string;
  readonly target: string;
  /** Names in lower case. */
  readonly headers: readonly (readonly [string, string])[];
  readonly token: string;
  readonly body: string;
}

export interface RawUpstream extends Listening {
  /** Requests other than for lists, in the order of their ends. */
  readonly arrived: Arrived[];
  /** What was no request to the letter of RFC 9112, or had two readings. */
  readonly faults: string[];
}

const ROW = { name: 'm:latest', model: 'm:latest', digest: '0'.repeat(64), size: 1 };
const LISTS: Readonly<Record<string, unknown>> = {
  '/api/version': { version: '0.17.4' },
  '/api/tags': { models: [ROW] },
  '/api/ps': { models: [ROW] },
};
/** A request line as a proxy writes it, in whichever form the target is. */
const REQUEST_LINE = /^([A-Z-]+) ([\x21-\xff]+) HTTP\/1\.1$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t\x20-\x7e\x80-\xff]*)$/;

/**
 * Passes for an Ollama, and reads what it is sent to the letter: whatever has two readings, or is more or less than a
 * request, is a fault. Answers each request with the token that it carries.
 */
export async function startRawUpstream(): Promise<RawUpstream> {
  const arrived: Arrived[] = [];
  const faults: string[] = [];
  let count = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    count += 1;
    const connection = count;
    let bytes = '';
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1');
      for (;;) {
        const read = readRequest(bytes);
        if (read === undefined) return;
        if (typeof read === 'string') {
          faults.push(`${read} on connection ${connection}: ${JSON.stringify(bytes.slice(0, 400))}`);
          return void socket.destroy();
        }
        bytes = bytes.slice(read.length);
        const one = { ...read.request, connection };
        const list = one.method === 'GET' ? LISTS[one.target] : undefined;
        if (!list && !one.target.startsWith('/ollana/')) arrived.push(one);
        respond(socket, one, list);
      }
    });
  });
  return Object.assign(await listenOn(server), { arrived, faults });
}

function respond(socket: Socket, { method, target, token }: Arrived, list: unknown): void {
  const found = !target.startsWith('/ollana/');
  const body = JSON.stringify(list ?? (found ? { token } : { error: 'not found' }));
  const head = `HTTP/1.1 ${found ? '200 OK' : '404 Not Found'}\r\nContent-Type: application/json\r\n`;
  socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${method === 'HEAD' ? '' : body}`);
}

/** The first request in the bytes; undefined while it is not all there; what is wrong with it. */
function readRequest(
  bytes: string,
): { readonly request: Omit<Arrived, 'connection'>; readonly length: number } | string | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = bytes.slice(0, end).split('\r\n');
  const [, method = '', target = ''] = REQUEST_LINE.exec(first) ?? [];
  if (method === '') return 'no request line';
  const headers: [string, string][] = [];
  for (const line of lines) {
    const [, name, value = ''] = HEADER.exec(line) ?? [];
    if (name === undefined) return 'no header line';
    headers.push([name.toLowerCase(), value]);
  }
  const all = (name: string) => headers.filter(([key]) => key === name).map(([, value]) => value);
  const [lengths, codings] = [all('content-length'), all('transfer-encoding')];
  if (all('host').length !== 1) return 'not one Host';
  if (lengths.length + codings.length > 1) return 'two framings';
  const from = end + 4;
  const done = (body: string, length: number) => ({
    request: { method, target, headers, token: all('x-token').join(','), body },
    length: from + length,
  });
  const [coding] = codings;
  if (coding !== undefined) {
    if (coding !== 'chunked') return 'an unknown coding';
    const read = readChunks(bytes.slice(from));
    return typeof read === 'object' ? done(read.body, read.length) : read;
  }
  const [length] = lengths;
  if (length !== undefined && !/^\d+$/.test(length)) return 'a length that is none';
  const size = Number(length ?? 0);
  return bytes.length < from + size ? undefined : done(bytes.slice(from, from + size), size);
}

function readChunks(bytes: string): { readonly body: string; readonly length: number } | string | undefined {
  let body = '';
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const size = bytes.slice(at, end);
    if (!/^[0-9a-f]+$/i.test(size)) return 'a chunk size that is none';
    const from = end + 2;
    const to = from + Number.parseInt(size, 16);
    if (bytes.length < to + 2) return undefined;
    if (bytes.slice(to, to + 2) !== '\r\n') return 'a chunk that does not end';
    if (to === from) return { body, length: to + 2 };
    body += bytes.slice(from, to);
    at = to + 2;
  }
}
