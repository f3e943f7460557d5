import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Route, routeOf } from '../ollama/routes.ts';

/** One request of a client and everything that is noted about it on its way. */
export interface Exchange {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly target: string;
  readonly route: Route;
  /** Whether the client is on this machine. */
  readonly fromHere: boolean;
  /** On the clock, ms. */
  readonly startedAt: number;
  /** Flat list of headers owed to the client whatever happens (CORS). */
  extraHeaders: string[];
  model: string | undefined;
  server: string | undefined;
  reason: string | undefined;
  error: string | undefined;
  attempts: number;
  queueMs: number;
  firstByteAt: number | undefined;
  bytes: number;
}

/** Begins the notes on a request; `startedAt` is on the clock. */
export function openExchange(
  request: IncomingMessage,
  response: ServerResponse,
  startedAt: number,
): Exchange {
  const method = request.method ?? 'GET';
  const target = request.url ?? '/';
  const address = request.socket.remoteAddress ?? '';
  return {
    id: randomUUID(),
    request,
    response,
    method,
    target,
    route: routeOf(method, target),
    fromHere: isLoopback(address),
    startedAt,
    extraHeaders: [],
    model: undefined,
    server: undefined,
    reason: undefined,
    error: undefined,
    attempts: 0,
    queueMs: 0,
    firstByteAt: undefined,
    bytes: 0,
  };
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}
