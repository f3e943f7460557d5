import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { within } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';

export interface HttpInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is when a string or buffer, else as JSON. */
  readonly body?: unknown;
  /** Leaves (destroys the socket) after this many complete lines. */
  readonly abortAfterLines?: number;
  /** Leaves after this many milliseconds. */
  readonly abortAfterMs?: number;
  /** The test gives up after this many milliseconds; 30 000 unless given. */
  readonly timeoutMs?: number;
  readonly onHeaders?: (status: number) => void;
  readonly onLine?: (text: string, at: number) => void;
}

export interface HttpResult {
  /** 0 when there was no response. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
  readonly text: string;
  /** Complete lines with the time they arrived, milliseconds since 1970. */
  readonly lines: readonly { readonly at: number; readonly text: string }[];
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Milliseconds from the start to the response headers and to the end. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** Why it did not end well: a system error code, `aborted`, `closed before the end`. */
  readonly error: string | undefined;
  json(): unknown;
}

interface AgentEvent {
  readonly id?: number;
  readonly event: 'ready' | 'start' | 'headers' | 'line' | 'end';
  readonly at: number;
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly text?: string;
  readonly error?: string;
  readonly body?: string;
}

const AGENT = fileURLToPath(new URL('_agent.mjs', import.meta.url));

/** Makes HTTP requests through a process that lives inside a namespace, with times measured in there. */
export class HttpAgent {
  readonly #process: TestProcess;
  readonly #calls = new Map<number, (event: AgentEvent) => void>();
  readonly #ready: Promise<unknown>;
  #count = 0;

  /** `start` starts `node ARGS` where the requests are to come from; whoever gave it stops the process. */
  constructor(start: (args: readonly string[]) => TestProcess) {
    this.#process = start([AGENT]);
    this.#ready = this.#process.waitFor(/"ready"/);
    this.#ready.catch(() => {}); // Every request awaits it and reports it.
    const { stdout } = this.#process.child;
    if (stdout === null) throw new Error('the agent has no standard output');
    createInterface({ input: stdout }).on('line', (line) => {
      const event = JSON.parse(line) as AgentEvent;
      if (event.id !== undefined) this.#calls.get(event.id)?.(event);
    });
  }

  /** Resolves when the request has ended, well or not (see `error`); rejects only when the test's time is up. */
  async request(url: string, init: HttpInit = {}): Promise<HttpResult> {
    await this.#ready;
    this.#count += 1;
    const id = this.#count;
    const ended = new Promise<HttpResult>((resolve) => this.#calls.set(id, collect(init, resolve)));
    const { method, headers = {}, body, abortAfterLines, abortAfterMs, timeoutMs = 30_000 } = init;
    const bytes =
      body === undefined
        ? undefined
        : Buffer.from(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    this.#send({
      op: 'request',
      id,
      url,
      method: method ?? (bytes === undefined ? 'GET' : 'POST'),
      headers: { ...(bytes === undefined ? {} : { 'content-length': String(bytes.length) }), ...headers },
      body: bytes?.toString('base64'),
      abortAfterLines,
      abortAfterMs,
    });
    try {
      return await within(timeoutMs, `end of ${method ?? 'request'} ${url}`, ended);
    } finally {
      this.#calls.delete(id);
      this.#send({ op: 'abort', id });
    }
  }

  #send(command: object): void {
    this.#process.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }
}

/** Turns the events of one request into its result. */
function collect(init: HttpInit, resolve: (result: HttpResult) => void): (event: AgentEvent) => void {
  const lines: { at: number; text: string }[] = [];
  let startedAt = 0;
  let first: AgentEvent | undefined;
  return (event) => {
    if (event.event === 'start') startedAt = event.at;
    if (event.event === 'headers') {
      first = event;
      init.onHeaders?.(event.status ?? 0);
    }
    if (event.event === 'line') {
      lines.push({ at: event.at, text: event.text ?? '' });
      init.onLine?.(event.text ?? '', event.at);
    }
    if (event.event !== 'end') return;
    const body = Buffer.from(event.body ?? '', 'base64');
    resolve({
      status: first?.status ?? 0,
      headers: first?.headers ?? {},
      body,
      text: body.toString('utf8'),
      lines,
      startedAt,
      firstByteMs: (first?.at ?? event.at) - startedAt,
      totalMs: event.at - startedAt,
      error: event.error,
      json: () => JSON.parse(body.toString('utf8')),
    });
  };
}
