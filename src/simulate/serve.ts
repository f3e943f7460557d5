import type { IncomingMessage, ServerResponse } from 'node:http';
import { sleep } from '../clock.ts';
import { errorBody } from './errors.ts';
import { type Exchange, openExchange, readBody } from './exchange.ts';
import { type Fault, isInference } from './faults.ts';
import { type GuardPlace, judge, PREFLIGHT_HEADERS } from './guard.ts';
import { Refusal } from './refusal.ts';
import { empty, json, text } from './reply.ts';
import { findRoute } from './routes.ts';
import type { SeenLog } from './seen.ts';
import type { World } from './world.ts';

/** What serving a request needs besides the world. */
export interface Desk {
  readonly seen: SeenLog;
  readonly place: GuardPlace;
  /** The requests not yet answered; a killed process breaks them all off. */
  readonly open: Set<Exchange>;
}

/** Takes one request through body, fault, guard and route. Never rejects. */
export async function serve(
  world: World,
  { seen, place, open }: Desk,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const exchange = openExchange(req, res, world.clock, seen);
  const { record, signal, path } = exchange;
  open.add(exchange);
  res.once('close', () => open.delete(exchange));
  const route = findRoute(record.method, path);
  const ownBody = typeof route === 'object' && route.ownBody;
  try {
    if (!ownBody) await readBody(exchange, true);
    // A route that reads its own body is told of its faults before that; it is noted when the body has come.
    if (!ownBody) seen.note(record);
    if (signal.aborted) return;
    exchange.fault = world.faults.take(record);
    if (exchange.fault && !(await beforeRoute(world, exchange, exchange.fault))) return;
    if (signal.aborted) return;
    const verdict = judge(record.method, req.headers, place);
    if (verdict === 'forbidden') return empty(exchange, 403);
    const { origin } = req.headers;
    if (origin !== undefined) {
      res.setHeader('Access-Control-Allow-Origin', origin);
      res.setHeader('Vary', 'Origin');
    }
    if (verdict === 'preflight') return empty(exchange, 204, PREFLIGHT_HEADERS);
    if (route === 'unknown') return text(exchange, 404, '404 page not found');
    if (route === 'wrong-method') return text(exchange, 405, '405 method not allowed');
    if (route === 'slash') return redirect(exchange);
    if (exchange.tooLarge) throw new Refusal(400, 'http: request body too large');
    await route.handle(world, exchange);
  } catch (error) {
    if (signal.aborted) return;
    // Half an answer can only be broken off.
    if (res.headersSent) return void res.destroy();
    if (error instanceof Refusal) {
      return json(exchange, error.status, errorBody(path, error.status, error.message, error.extra));
    }
    json(exchange, 500, errorBody(path, 500, `simulated Ollama: ${String(error)}`));
  } finally {
    if (ownBody) seen.note(record);
  }
}

/** Does what a fault does before the route is asked; true if the route is still to answer. */
async function beforeRoute(world: World, exchange: Exchange, fault: Fault): Promise<boolean> {
  const { res, path, signal } = exchange;
  switch (fault.kind) {
    case 'status':
      answerStatus(exchange, fault);
      return false;
    case 'reset':
      exchange.brokenOff = true;
      res.socket?.resetAndDestroy();
      return false;
    case 'hang':
      return false;
    case 'hang-all':
      await world.faults.thawed(signal);
      return !signal.aborted;
    case 'slow-first-byte':
    case 'slow-all':
      await sleep(world.clock, fault.ms, signal);
      return !signal.aborted;
    default:
      // The rest happen within an answer, and only inference and progress streams have one.
      return isInference(exchange.record) || path.startsWith('/api/');
  }
}

function answerStatus(exchange: Exchange, fault: Extract<Fault, { kind: 'status' }>): void {
  const { body, status, headers = {} } = fault;
  const value = body ?? errorBody(exchange.path, status, `simulated failure ${status}`);
  if (typeof value === 'string') text(exchange, status, value, 'text/plain; charset=utf-8', headers);
  else text(exchange, status, JSON.stringify(value), 'application/json; charset=utf-8', headers);
}

/** gin's redirect of a trailing slash. */
function redirect(exchange: Exchange): void {
  const { path, record } = exchange;
  const query = record.path.slice(path.length);
  const safe = record.method === 'GET' || record.method === 'HEAD';
  empty(exchange, safe ? 301 : 307, { Location: `${path.slice(0, -1)}${query}` });
}
