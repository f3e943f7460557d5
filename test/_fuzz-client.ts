import { connect, type Socket } from 'node:net';
import { GUARD_MS, LIMIT_MS, OwnTime } from './_fuzz.ts';

const time = new OwnTime();

export interface Asked {
  readonly path: string;
  readonly body: Buffer;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** After this, ms, the connection is ended, and it rejects; unless given, when there is no answer in time. */
  readonly waitMs?: number;
  /** The first whole line of an answer of status 200 is enough: the rest hangs. */
  readonly untilLine?: boolean;
}

export interface Got {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  readonly text: string;
}

/** A client of one connection, made anew whenever the other side has ended it; one request at a time. */
export class RawClient {
  readonly #host: string;
  readonly #port: number;
  readonly #dial: () => Socket;
  #socket: Socket | undefined;

  constructor(host: string, port: number, dial = (): Socket => connect({ host, port, noDelay: true })) {
    this.#host = host;
    this.#port = port;
    this.#dial = dial;
  }

  drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  ask({
    path,
    body,
    method = 'POST',
    headers = {},
    waitMs = GUARD_MS,
    untilLine = false,
  }: Asked): Promise<Got> {
    const socket = this.#socket ?? this.#dial();
    this.#socket = socket;
    const lines = Object.entries({
      Host: `${this.#host}:${this.#port}`,
      'Content-Type': 'application/json',
      ...headers,
    });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    return new Promise((resolve, reject) => {
      let text = '';
      const startedAt = time.now();
      const limit = setTimeout(() => {
        done();
        this.drop();
        reject(new Error(`no answer within ${waitMs} ms; got ${JSON.stringify(text.slice(0, 300))}`));
      }, waitMs);
      const done = () => {
        clearTimeout(limit);
        socket.off('data', take).off('close', closed);
      };
      const settle = (got: Got, keep: boolean) => {
        done();
        const ms = time.now() - startedAt;
        if (ms > LIMIT_MS) return reject(new Error(`answered after ${ms} ms`));
        if (!keep || /\r\nConnection: close/i.test(text)) this.drop();
        resolve(got);
      };
      const take = (chunk: Buffer) => {
        text += chunk.toString('latin1');
        const got = read(text, untilLine);
        if (got) settle(got, true);
      };
      const closed = () => {
        done();
        if (this.#socket === socket) this.#socket = undefined;
        const [, status = '0'] = /^HTTP\/1\.1 (\d+)/.exec(text) ?? [];
        resolve({ status: Number(status), text });
      };
      socket.on('data', take).on('close', closed);
      if (socket.listenerCount('error') === 0) socket.on('error', () => {});
      socket.write(`${method} ${path} HTTP/1.1\r\n${head}Content-Length: ${body.length}\r\n\r\n`, 'latin1');
      socket.write(body);
    });
  }
}

/** Clients that are asked by turns, each for one thing at a time. */
export class RawClients {
  readonly #all: readonly RawClient[];
  readonly #idle: RawClient[];

  constructor(count: number, make: () => RawClient) {
    this.#all = Array.from({ length: count }, make);
    this.#idle = [...this.#all];
  }

  /** Has one of them do something; there must be one that is idle. */
  async use<T>(work: (client: RawClient) => Promise<T>): Promise<T> {
    const client = this.#idle.pop();
    if (!client) throw new Error('all clients are busy');
    try {
      return await work(client);
    } finally {
      this.#idle.push(client);
    }
  }

  drop(): void {
    for (const client of this.#all) client.drop();
  }
}

/** The answer in what has come, when it is all there. */
function read(text: string, untilLine: boolean): Got | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const status = Number(text.slice(9, 12));
  const body = text.slice(end + 4);
  const [, length] = /\r\nContent-Length: (\d+)/i.exec(text.slice(0, end + 2)) ?? [];
  if (length !== undefined) return body.length >= Number(length) ? { status, text: body } : undefined;
  if (untilLine && status === 200) return /\}\n/.test(body) ? { status, text: body } : undefined;
  return body.endsWith('0\r\n\r\n') ? { status, text: body } : undefined;
}
