import { connect } from 'node:net';
import { within } from '../_deadline.ts';

/** One request as bytes: nothing is added but `Host`, the framing of the body, and `Connection: close`. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  /** Sent in this order and case; a `Host` among them replaces the usual one. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer | undefined;
  /** Sends the body in chunks of this many bytes instead of announcing its length. */
  readonly chunked: number | undefined;
  /** Default HTTP/1.1. */
  readonly version: string;
}

export interface WireAnswer {
  readonly status: number;
  readonly statusText: string;
  /** Lower-case names, in the order in which they came. */
  readonly headers: readonly (readonly [string, string])[];
  /** How the end of the body is told; `none` where the method or status has no body. */
  readonly framing: 'length' | 'chunked' | 'close' | 'none';
  readonly body: string;
  /** The body ended as its framing wants it. */
  readonly whole: boolean;
}

/** What every request calls its server, so that rules about Host and Origin see the same on every way. */
const HOST = '127.0.0.1:11434';

/** Sends one request to a port of this machine on its own connection and reads until the other side closes. */
export async function exchange(port: number, request: WireRequest, ms = 60_000): Promise<WireAnswer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  const closed = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => {}); // A server may answer and close before it has read all.
    socket.on('close', () => resolve());
  });
  try {
    socket.write(bytesOf(request));
    await within(ms, `the answer to ${request.method} ${request.path}`, closed);
    return parse(Buffer.concat(chunks), request.method);
  } finally {
    socket.destroy();
  }
}

function bytesOf({ method, path, headers, body, chunked, version }: WireRequest): Buffer {
  const lines = [`${method} ${path} ${version}`];
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  if (!given.has('host')) lines.push(`Host: ${HOST}`);
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (!given.has('connection')) lines.push('Connection: close');
  if (body && chunked === undefined && !given.has('content-length'))
    lines.push(`Content-Length: ${body.length}`);
  if (body && chunked !== undefined) lines.push('Transfer-Encoding: chunked');
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (!body) return head;
  return Buffer.concat([head, chunked === undefined ? body : inChunks(body, chunked)]);
}

function inChunks(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

function parse(bytes: Buffer, method: string): WireAnswer {
  const split = bytes.indexOf('\r\n\r\n');
  const [first = '', ...lines] = bytes.subarray(0, Math.max(split, 0)).toString('latin1').split('\r\n');
  const [, status = '0', statusText = ''] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first) ?? [];
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  const rest = bytes.subarray(split + 4);
  // An interim answer comes before the real one.
  if (status.startsWith('1')) return parse(rest, method);
  const framed = body(rest, method, Number(status), new Map(headers));
  return { status: Number(status), statusText, headers, ...framed };
}

function body(
  rest: Buffer,
  method: string,
  status: number,
  headers: ReadonlyMap<string, string>,
): Pick<WireAnswer, 'framing' | 'body' | 'whole'> {
  if (status === 0) return { framing: 'none', body: '', whole: false };
  if (method === 'HEAD' || status === 204 || status === 304)
    return { framing: 'none', body: rest.toString('utf8'), whole: rest.length === 0 };
  if (headers.get('transfer-encoding') === 'chunked') return { framing: 'chunked', ...unchunk(rest) };
  const length = headers.get('content-length');
  const text = rest.toString('utf8');
  if (length === undefined) return { framing: 'close', body: text, whole: true };
  return { framing: 'length', body: text, whole: rest.length === Number(length) };
}

function unchunk(rest: Buffer): { body: string; whole: boolean } {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = rest.indexOf('\r\n', at);
    const size = end === -1 ? Number.NaN : Number.parseInt(rest.subarray(at, end).toString('latin1'), 16);
    if (!(size > 0)) return { body: Buffer.concat(parts).toString('utf8'), whole: size === 0 };
    parts.push(rest.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}
