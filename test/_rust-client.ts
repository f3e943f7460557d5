import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import { within } from './_deadline.ts';

/** Clients of the Rust ollana: 1 is 0.1 to 0.3 (plain), 2 is 0.4 (TLS), 3 is 0.5 and 0.6 (TLS, with ids). */
export type Generation = 1 | 2 | 3;

/** What a Rust ollana read of an answer. */
export interface RustAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a client of generation 3 does with a server that has answered its broadcast (manager.rs). */
export type Meeting = 'exits' | 'skips' | 'adds';

/** A client of the Rust ollana, to the byte; each request goes over the connection that it keeps. */
export class RustClient implements Disposable {
  readonly #generation: Generation;
  readonly #port: number;
  readonly #id: string;
  #socket: Socket | undefined;

  constructor(generation: Generation, port: number, id = 'ab'.repeat(32)) {
    this.#generation = generation;
    this.#port = port;
    this.#id = id;
  }

  /** Sends a body as reqwest sends a stream: in chunks, without a Content-Type. */
  post(path: string, body: unknown): Promise<RustAnswer> {
    const chunks = (JSON.stringify(body).match(/.{1,5000}/gs) ?? []).map(
      (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`,
    );
    return this.#send(`POST ${path}`, 'transfer-encoding: chunked\r\n', [...chunks, '0\r\n\r\n']);
  }

  get(path: string): Promise<RustAnswer> {
    return this.#send(`GET ${path}`, '', []);
  }

  /** Generation 3: asks who is there before anything else, and decides. */
  async meet(allowed: readonly string[]): Promise<Meeting> {
    let answer: RustAnswer;
    try {
      answer = await this.#send('POST /ollana/api/authorize', 'content-length: 0\r\n', []);
      if (answer.status === 401) return 'skips';
      const { device_id } = JSON.parse(answer.body) as { device_id?: unknown };
      if (typeof device_id !== 'string') return 'exits';
      if (!allowed.includes(device_id)) return 'skips';
    } catch {
      return 'exits';
    }
    const { version } = JSON.parse((await this.get('/api/version')).body) as { version?: unknown };
    return typeof version === 'string' ? 'adds' : 'skips';
  }

  async #send(line: string, framing: string, chunks: readonly string[]): Promise<RustAnswer> {
    const socket = await this.#connected();
    const id = this.#generation === 3 ? `x-ollana-device-id: ${this.#id}\r\n` : '';
    const answer = readAnswer(socket);
    socket.write(`${line} HTTP/1.1\r\n${id}accept: */*\r\nhost: 127.0.0.1:${this.#port}\r\n${framing}\r\n`);
    for (const chunk of chunks) socket.write(chunk);
    return within(10_000, `an answer to ${line}`, answer);
  }

  async #connected(): Promise<Socket> {
    if (this.#socket && !this.#socket.destroyed) return this.#socket;
    const to = { port: this.#port, host: '127.0.0.1' };
    // As danger_accept_invalid_certs does; no SNI, since the target is an address.
    const anyone = { rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
    const socket = this.#generation === 1 ? net.connect(to) : tls.connect({ ...to, ...anyone });
    this.#socket = socket;
    await within(
      10_000,
      'a connection',
      new Promise<void>((resolve, reject) => {
        socket.once(this.#generation === 1 ? 'connect' : 'secureConnect', () => resolve());
        socket.on('error', reject);
        socket.once('close', () => reject(new Error('closed before it was open')));
      }),
    );
    return socket;
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy();
  }
}

/** Reads one answer, framed by its length or in chunks. */
function readAnswer(socket: Socket): Promise<RustAnswer> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const take = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const answer = parse(bytes);
      if (!answer) return;
      socket.off('data', take).off('close', closed);
      resolve(answer);
    };
    const closed = () => reject(new Error(`closed after ${bytes.length} bytes of an answer: ${bytes}`));
    socket.on('data', take).on('close', closed);
  });
}

function parse(bytes: Buffer): RustAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const status = Number(first.split(' ')[1]);
  const rest = bytes.subarray(end + 4);
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? 0);
    return rest.length < length ? undefined : { status, headers, body: rest.toString('utf8', 0, length) };
  }
  const pieces: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    if (rest.length < lineEnd + 2 + size + 2) return undefined;
    if (size === 0) return { status, headers, body: Buffer.concat(pieces).toString('utf8') };
    pieces.push(rest.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
