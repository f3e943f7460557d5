import { type ClientRequest, type IncomingHttpHeaders, request } from 'node:http';
import type { Clock } from '../src/clock.ts';
import type { SimulatedOllama } from '../src/simulate/ollama.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body ended as HTTP wants it to. */
  complete: boolean;
  /** Why there is no answer, or why it broke off. */
  error?: string;
  /** Milliseconds until the headers. */
  firstByteMs: number;
}

export interface Sent {
  request: ClientRequest;
  /** Resolves at the first body bytes, or at the end. */
  started: Promise<void>;
  /** Resolves at the end of whatever came; never rejects. */
  answer: Promise<Answer>;
}

/** Sends one request on its own connection; objects go as JSON, text and bytes as they are. */
export function send(
  to: Pick<SimulatedOllama, 'url'>,
  path: string,
  body?: unknown,
  { method = body === undefined ? 'GET' : 'POST', headers = {} as Record<string, string> } = {},
): Sent {
  const begun = performance.now();
  const req = request(`${to.url}${path}`, { method, headers, agent: false });
  let start = () => {};
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  const answer = new Promise<Answer>((resolve) => {
    const got: Answer = { status: 0, headers: {}, text: '', complete: false, firstByteMs: 0 };
    const end = () => {
      start();
      resolve(got);
    };
    req.on('error', (error: NodeJS.ErrnoException) => {
      got.error ??= error.code ?? error.message;
      end();
    });
    req.on('response', (res) => {
      got.status = res.statusCode ?? 0;
      got.headers = res.headers;
      got.firstByteMs = performance.now() - begun;
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        got.text += chunk;
        start();
      });
      res.on('error', (error: NodeJS.ErrnoException) => {
        got.error = error.code ?? error.message;
      });
      res.on('close', () => {
        got.complete = res.complete;
        end();
      });
    });
  });
  const raw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
  const bytes = raw ? body : JSON.stringify(body);
  // Node frames the body of a DELETE only when it is told the length.
  if (bytes !== undefined) req.setHeader('Content-Length', Buffer.byteLength(bytes));
  req.end(bytes);
  return { request: req, started, answer };
}

/** The answer to one request. */
export function ask(...args: Parameters<typeof send>): Promise<Answer> {
  return within(send(...args).answer, `${args[1]} to be answered`);
}

/** The JSON lines of a stream, events' `data:` included; `[DONE]` as text. */
export function linesOf(text: string): unknown[] {
  return text
    .split('\n')
    .map((line) => line.replace(/^data: /, ''))
    .filter((line) => line !== '' && !line.startsWith('event:'))
    .map((line) => (line === '[DONE]' ? line : JSON.parse(line)));
}

/** A chat request with one user message. */
export function chat(model: string, content: string, more: object = {}): object {
  return { model, messages: [{ role: 'user', content }], ...more };
}

/** A chat with the model that a simulated Ollama has unless told. */
export const HELLO = chat('simulated', 'hi');

/** How often a simulated Ollama was asked for this. */
export const asked = ({ seen }: SimulatedOllama, path: string): number =>
  seen.filter((one) => one.path === path).length;

/** `promise`, or a failure naming what did not happen in time. */
export function within<T>(promise: Promise<T>, what: string, ms = 15_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Resolves when `condition` holds; looks after every turn of the event loop. */
export async function until(condition: () => boolean, what: string, ms = 15_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A clock that stands still until it is pushed. */
export function steppedClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Map<number, { at: number; fn: () => void }>();
  let id = 0;
  const after = (ms: number, fn: () => void) => {
    const key = id++;
    timers.set(key, { at: now + ms, fn });
    return () => void timers.delete(key);
  };
  return {
    now: () => now,
    wall: () => 1.8e12 + now,
    after,
    every: (ms, fn) => {
      let cancel = () => {};
      const again = () => {
        cancel = after(ms, again);
        fn();
      };
      cancel = after(ms, again);
      return () => cancel();
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
        if (!due) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].at);
        due[1].fn();
      }
      now = end;
    },
  };
}
