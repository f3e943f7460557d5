import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type Clock, systemClock } from '../src/clock.ts';
import { follow } from '../src/fleet/feed-reader.ts';
import { type ModelLoad, readLoad, type ServerLoad } from '../src/fleet/load.ts';
import { modelKey } from '../src/ollama/names.ts';
import { DEVICE_HEADER, TICKETS_PATH } from '../src/server/ticket-wire.ts';
import { type Listening, listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';
import { type Answer, send } from './_simulate-client.ts';

/** One line of a ticket's answer. */
interface TicketLine {
  readonly grant?: string;
  readonly aheadMs?: number;
}

/** A ticket that a test holds in its hand. */
export interface HandTicket {
  /** What it was told of those ahead, ms; undefined while nothing was. */
  aheadMs(): number | undefined;
  /** The grant, once there is one. */
  grant(): string | undefined;
  /** Milliseconds of `performance.now()` at which the grant came. */
  grantedAt(): number | undefined;
  /** What was answered, when that has ended. */
  readonly answer: Promise<Answer>;
  close(): void;
}

/** Opens a ticket at a server-mode ollana over a connection of its own, as `device`; text and bytes go as they are. */
export function openTicket(url: string, device: string, body: unknown = { model: 'm' }): HandTicket {
  let text = '';
  let at: number | undefined;
  const raw = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const sent = send({ url }, TICKETS_PATH, raw, { headers: { [DEVICE_HEADER]: device } });
  sent.request.on('response', (response) => {
    response.on('data', (chunk: string) => {
      text += chunk;
      if (grant() !== undefined) at ??= performance.now();
    });
  });
  const lines = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as TicketLine);
  const grant = () => lines().find((line) => line.grant !== undefined)?.grant;
  return {
    grant,
    aheadMs: () => lines().find((line) => line.aheadMs !== undefined)?.aheadMs,
    grantedAt: () => (grant() === undefined ? undefined : at),
    answer: sent.answer,
    close: () => void sent.request.destroy(),
  };
}

/** Opens a ticket and waits for its grant. */
export async function openGranted(url: string, device: string): Promise<HandTicket> {
  const ticket = openTicket(url, device);
  await until(5000, `a grant for ${device}`, () => ticket.grant() !== undefined);
  return ticket;
}

/** What a server-mode ollana tells of its load, as it tells it. */
export interface Watched extends Disposable {
  readonly load: () => ServerLoad | undefined;
  /** The row of one model; without a name, of `m`. */
  row(model?: string): ModelLoad | undefined;
  /** Resolves when so many wait for the model. */
  queued(count: number, model?: string): Promise<unknown>;
  /** Resolves when nothing runs and nothing waits for the model. */
  idle(model?: string): Promise<unknown>;
}

/** Watches the load of a server-mode ollana. Resolves when it has told it. */
export async function watchLoad(url: string): Promise<Watched> {
  let load: ServerLoad | undefined;
  const stream = follow({
    url,
    clock: systemClock,
    connectTimeoutMs: 1000,
    onEvent: (name, value) => {
      if (name === 'load') load = readLoad(value);
    },
    onEnd: () => {},
  });
  const row = (model = 'm') => load?.models[modelKey(model)];
  await until(5000, 'the load to be told', () => load !== undefined);
  return {
    load: () => load,
    row,
    queued: (count, model) =>
      until(5000, `${count} to wait`, () => row(model)?.queued === count).catch((error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(row(model))}`);
      }),
    idle: (model) =>
      until(5000, 'nothing to run', () => row(model)?.active === 0 && row(model)?.queued === 0),
    [Symbol.dispose]: () => stream[Symbol.dispose](),
  };
}

/** One request that went through a tap. */
export interface Tapped {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Passes everything on to `upstream` and notes what it was asked. */
export interface Tap extends Listening {
  readonly asked: readonly Tapped[];
  /** Whoever watches through it has been told of a model that is loaded. */
  readonly told: () => boolean;
}

/** What comes waits for `before`, if that has something to do first. */
export async function startTap(
  upstream: string,
  before?: (one: Tapped) => Promise<unknown> | undefined,
): Promise<Tap> {
  const asked: Tapped[] = [];
  let told = false;
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    const one = { method, url, headers };
    asked.push(one);
    await before?.(one);
    const onward = httpRequest(upstream + url, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.on('data', (chunk: Buffer) => {
        if (url.endsWith('/watch') && chunk.includes('"loaded":true')) told = true;
        response.write(chunk);
      });
      answer.on('end', () => response.end());
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
    response.on('close', () => onward.destroy());
  });
  return Object.assign(await listenOn(server), { asked, told: () => told });
}

/** Time of a GPU that a test can stop: while it is closed no token is made. */
export interface Gate {
  readonly clock: Clock;
  close(): void;
  open(): void;
}

/** A gate that is open; its clock runs on, only what waits for it is late. */
export function startGate(): Gate {
  const late = new Set<() => void>();
  let closed = false;
  const after: Clock['after'] = (ms, fn) => {
    const stop = systemClock.after(ms, () => {
      if (closed) late.add(fn);
      else fn();
    });
    return () => {
      stop();
      late.delete(fn);
    };
  };
  return {
    clock: { ...systemClock, after },
    close: () => {
      closed = true;
    },
    open: () => {
      closed = false;
      const due = [...late];
      late.clear();
      for (const fn of due) fn();
    },
  };
}
