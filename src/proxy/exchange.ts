import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '../errors.ts';
import type { LimitName } from '../limits.ts';
import type { Counters } from '../ollama/counters.ts';
import { isKnownPath, type Route, routeOf } from '../ollama/routes.ts';
import type { Considered } from '../routing/considered.ts';
import type { ApiKey } from '../security/api-key.ts';

/** An app, as its key tells. */
export type AppKey = Pick<ApiKey, 'name' | 'models' | 'rate'>;

/** One request of a client and everything that is noted about it on its way. */
export interface Exchange {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Path and query as the client sent them, less a `server=` that was for us. */
  readonly target: string;
  /** The server that the client named, by `X-Ollana-Server` or `?server=`. */
  readonly named: string | undefined;
  readonly route: Route;
  /** Whether the client is on this machine. */
  readonly fromHere: boolean;
  /** On the clock, ms. */
  readonly startedAt: number;
  /** Flat list of headers owed to the client whatever happens (CORS). */
  extraHeaders: string[];
  /** What was done to the request because the user allows it: headers that tell the client, by name. */
  readonly changes: Map<string, string>;
  /** The app whose key the request shows; undefined where it shows none that is known here. */
  key: AppKey | undefined;
  /** A command of this installation asks. */
  isOwnCommand: boolean;
  /** It was for one of ollana's own paths. */
  isOwnPath: boolean;
  model: string | undefined;
  /** A model is to work for it: see `Asked`. */
  isUse: boolean;
  server: string | undefined;
  /** Id of that server; undefined where several share it. */
  deviceId: string | undefined;
  serverUrl: string | undefined;
  reason: string | undefined;
  /** The servers that it was chosen from. */
  considered: readonly Considered[] | undefined;
  /** `metadata.tags`: what the app calls itself. */
  tags: readonly string[];
  error: string | undefined;
  errorCode: ErrorCode | undefined;
  /** What there was too much of, where that is why it was refused. */
  limit: LimitName | undefined;
  /** The answer had begun and broke off. */
  incomplete: boolean;
  attempts: number;
  /** Attempts that followed a failed one. */
  retries: number;
  /** Time without a server to send to, ms. */
  queueMs: number;
  /** Of that, the wait for a server rather than for a seat, ms. */
  heldMs: number;
  firstByteAt: number | undefined;
  bytes: number;
  /** The model was not known to be in memory when the request was sent. */
  cold: boolean;
  /** What the end of the answer told. */
  counters: Counters | undefined;
}

/** Begins the notes on a request; `startedAt` is on the clock. */
export function openExchange(
  request: IncomingMessage,
  response: ServerResponse,
  startedAt: number,
): Exchange {
  const method = request.method ?? 'GET';
  const { target, named } = takeServer(request.url ?? '/');
  const header = request.headers['x-ollana-server'];
  const address = request.socket.remoteAddress ?? '';
  return {
    id: randomUUID(),
    request,
    response,
    method,
    target,
    named: typeof header === 'string' && header !== '' ? header : named,
    route: routeOf(method, target),
    fromHere: isLoopback(address),
    startedAt,
    extraHeaders: [],
    changes: new Map(),
    key: undefined,
    isOwnCommand: false,
    isOwnPath: false,
    model: undefined,
    isUse: false,
    server: undefined,
    deviceId: undefined,
    serverUrl: undefined,
    reason: undefined,
    considered: undefined,
    tags: [],
    error: undefined,
    errorCode: undefined,
    limit: undefined,
    incomplete: false,
    attempts: 0,
    retries: 0,
    queueMs: 0,
    heldMs: 0,
    firstByteAt: undefined,
    bytes: 0,
    cold: false,
    counters: undefined,
  };
}

/** Whether an address, as a socket tells it, is of the loopback network. Pure. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

/**
 * Takes `server=NAME` out of the query of an Ollama path; every other byte stays as it is. Paths that are not
 * Ollama's keep theirs: it is not ours to read. Pure.
 */
function takeServer(target: string): { target: string; named: string | undefined } {
  const [path = '', query] = splitOnce(target, '?');
  if (query === undefined || !isKnownPath(path)) return { target, named: undefined };
  const parts = query.split('&');
  const ours = parts.find((part) => part.startsWith('server='));
  if (ours === undefined) return { target, named: undefined };
  const rest = parts.filter((part) => !part.startsWith('server=')).join('&');
  return { target: rest === '' ? path : `${path}?${rest}`, named: decoded(ours.slice('server='.length)) };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text; // A broken escape names no server; it is shown as it came.
  }
}
