import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import { pathOf, routeName } from '../ollama/routes.ts';
import { type Exposure, judgeExposure } from '../server/exposure.ts';
import type { Aggregator } from './aggregate.ts';
import { appName } from './app-name.ts';
import { answerError } from './error-answer.ts';
import type { ProxyEvent, RequestEnded, RequestOutcome } from './events.ts';
import { type Exchange, openExchange } from './exchange.ts';
import type { Forwarder } from './forward.ts';
import { type GuardOptions, passGuard } from './guard.ts';
import type { KeyGate } from './key-gate.ts';
import { traceParentOf } from './trace-parent.ts';

/** What answers the requests of one kind of client. */
export interface Way {
  readonly forwarder: Forwarder;
  /** Merges lists over servers; absent where there is one server, whose own lists are the answer. */
  readonly aggregator: Aggregator | undefined;
}

export interface FrontOptions {
  readonly clock: Clock;
  readonly guard: GuardOptions;
  readonly keys: KeyGate;
  /** Who answers a request. */
  readonly wayOf: (exchange: Exchange) => Way;
  /** What a peer may have. */
  readonly exposureOf: (exchange: Exchange) => Exposure;
  /** ollana's own paths; returns whether it has answered. */
  readonly own: (exchange: Exchange) => boolean;
  readonly via: string;
  /** Whether the daemon is shutting down. */
  readonly draining: () => boolean;
  readonly emit: (event: ProxyEvent) => void;
}

/** Where a request enters: guard, then ollana's own paths, exposure, and to a server. */
export class Front {
  readonly #options: FrontOptions;
  #open = 0;

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  /** Requests for servers that have not ended. */
  get open(): number {
    return this.#open;
  }

  /** The `request` listener of the HTTP server. Never throws. */
  handle = (request: IncomingMessage, response: ServerResponse): void => {
    const exchange = openExchange(request, response, this.#options.clock.now());
    response.on('error', () => {}); // 'close' follows and is what counts.
    let work: Promise<void> | undefined;
    response.once('close', () => this.#report(exchange, work));
    // Nobody takes up the offer; but Node reads nothing more on such a connection, whatever comes after this request.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    if (!passGuard(this.#options.guard, exchange)) return;
    this.#options.keys.recognise(exchange);
    if (this.#options.own(exchange)) {
      exchange.isOwnPath = true;
      return;
    }
    this.#open += 1;
    response.once('close', () => {
      this.#open -= 1;
    });
    work = this.#route(exchange).catch((error: unknown) => answerError(exchange, error));
  };

  async #route(exchange: Exchange): Promise<void> {
    const { via, draining, exposureOf, wayOf } = this.#options;
    this.#options.keys.admit(exchange);
    if (draining()) {
      throw new OllanaError('OLLANA_DRAINING', 'this ollana is shutting down', {
        status: 503,
        retryAfterS: 1,
      });
    }
    if (exchange.request.headers.via?.includes(via)) {
      throw new OllanaError(
        'OLLANA_LOOP',
        'this request has been here already: two ollanas name each other as servers',
        {
          status: 508,
        },
      );
    }
    if (!exchange.fromHere && !this.#admit(exchange, exposureOf(exchange))) return;
    const { aggregator, forwarder } = wayOf(exchange);
    if (aggregator && exchange.route.class === 'liveness')
      return answerText(exchange, 200, 'Ollama is running');
    if (aggregator && exchange.route.class === 'aggregate') return aggregator.answer(exchange);
    return forwarder.forward(exchange);
  }

  /** Whether a peer's request may go on; otherwise it has been answered, or an error says why not. */
  #admit(exchange: Exchange, exposure: Exposure): boolean {
    const verdict = judgeExposure(exchange.route, pathOf(exchange.target), exposure);
    if (verdict.type === 'refused') {
      throw new OllanaError('OLLANA_NOT_ALLOWED', `${verdict.why}; ${verdict.remedy}`, {
        status: 403,
      });
    }
    if (verdict.type === 'absent') {
      answerText(exchange, verdict.status, verdict.text);
      return false;
    }
    return true;
  }

  /** Tells of a request that has ended for its client, when `work` for it has ended, too: it notes what came of it. */
  #report(exchange: Exchange, work: Promise<void> | undefined): void {
    const { clock, emit } = this.#options;
    const { request, response, startedAt, firstByteAt, error, limit } = exchange;
    if (limit !== undefined) emit({ type: 'limit-reached', limit, peer: request.socket.remoteAddress });
    const outcome = outcomeOf(exchange);
    const ended: Ended = {
      status: response.headersSent ? response.statusCode : undefined,
      outcome,
      error,
      errorCode: exchange.errorCode,
      bytes: exchange.bytes,
      firstByteMs: firstByteAt === undefined ? undefined : firstByteAt - startedAt,
      durationMs: clock.now() - startedAt,
    };
    const tell = () => emit(endedEvent(exchange, ended));
    if (work) void work.then(tell);
    else tell();
  }
}

/** How a request ended for its client. What a server said is judged as what ollana itself says. */
function outcomeOf({ response, error, incomplete }: Exchange): RequestOutcome {
  const whole = response.writableFinished;
  if (error === undefined && !whole) return 'client-left';
  if (whole && response.statusCode >= 400) return response.statusCode < 500 ? 'refused' : 'failed';
  if (error === undefined) return 'completed';
  return incomplete ? 'incomplete' : 'failed';
}

/** What there was to see when a request had ended for its client. */
type Ended = Pick<
  RequestEnded,
  'status' | 'outcome' | 'error' | 'errorCode' | 'bytes' | 'firstByteMs' | 'durationMs'
>;

function endedEvent(exchange: Exchange, ended: Ended): RequestEnded {
  const { request, route, key } = exchange;
  return {
    type: 'request-ended',
    id: exchange.id,
    method: exchange.method,
    path: pathOf(exchange.target),
    route: routeName(route, exchange.isOwnPath),
    routeClass: route.class,
    client: request.socket.remoteAddress ?? '',
    key: key?.name,
    model: exchange.model,
    isUse: exchange.isUse,
    app: appName({ headers: request.headers, key: key?.name, tags: exchange.tags }),
    server: exchange.server,
    deviceId: exchange.deviceId,
    url: exchange.serverUrl,
    reason: exchange.reason,
    considered: exchange.considered,
    status: ended.status,
    outcome: ended.outcome,
    error: ended.error,
    errorCode: ended.errorCode,
    attempts: exchange.attempts,
    retries: exchange.retries,
    changed: changesOf(exchange),
    queueMs: exchange.queueMs,
    heldMs: exchange.heldMs,
    firstByteMs: ended.firstByteMs,
    durationMs: ended.durationMs,
    bytes: ended.bytes,
    cold: exchange.cold,
    counters: exchange.counters,
    parent: traceParentOf(request.headers.traceparent),
  };
}

/** What was changed in a request, as its answer's headers tell it. */
function changesOf({ changes }: Exchange): string | undefined {
  if (changes.size === 0) return undefined;
  return [...changes]
    .map(([name, value]) => `${name.replace('X-Ollana-', '').toLowerCase()} ${value}`)
    .join(', ');
}

/** Plain text as Ollama's router answers it. */
export function answerText(exchange: Exchange, status: number, text: string): void {
  const headers = [...exchange.extraHeaders, 'Content-Type', 'text/plain; charset=utf-8'];
  exchange.response.writeHead(status, [...headers, 'Content-Length', String(Buffer.byteLength(text))]);
  exchange.response.end(exchange.method === 'HEAD' ? undefined : text);
}

/** JSON of ollana's own. */
export function answerJson(exchange: Exchange, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  const headers = [...exchange.extraHeaders, 'Content-Type', 'application/json; charset=utf-8'];
  exchange.response.writeHead(status, [...headers, 'Content-Length', String(Buffer.byteLength(body))]);
  exchange.response.end(exchange.method === 'HEAD' ? undefined : body);
}
