import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { whyRefused } from '../fleet/rust-server.ts';
import type { FailureCause } from '../fleet/verdict-rules.ts';
import { readCounters } from '../ollama/counters.ts';
import type { RouteClass } from '../ollama/routes.ts';
import type { SeatResult } from '../routing/desk.ts';
import type { Outcome, Pick } from '../routing/pick.ts';
import { type AttendedOptions, sendAttended } from './attended.ts';
import { framingOf } from './ends.ts';
import { ERROR_HEADER } from './error-answer.ts';
import type { Exchange } from './exchange.ts';
import { relay } from './relay.ts';
import { isRepeatable, nextStep } from './retry.ts';
import { type StoredAnswer, storeAnswer } from './stored-answer.ts';
import { type Arrival, isOwnLoss } from './transport.ts';

/** Who runs beside others and may be too late. */
export interface Gate {
  /** Asks to be the one whose answer goes to the client; false: another one is. */
  claim(): boolean;
  /** Calls back, once, when another one is. */
  onLost(stop: () => void): void;
  /** Another one is. */
  lost(): boolean;
}

export interface AttemptInput {
  readonly exchange: Exchange;
  readonly pick: Pick;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer | (() => Readable);
  /** See `Dispatch`. */
  readonly fresh: boolean;
  readonly replayable: boolean;
  /** The list said that this server holds the model asked for. */
  readonly listed: boolean;
  /** Headers to add to the answer, flat; asked for when there is one. */
  readonly answerHeaders: () => readonly string[];
  /** Present in a race. */
  readonly gate?: Gate | undefined;
}

/** What an attempt came to, and what it says about the server. */
export type AttemptEnd = {
  readonly outcome: Outcome;
  /** What there is to learn from it. */
  readonly result?: SeatResult;
} & (
  | { readonly type: 'answered' }
  | { readonly type: 'client-left' }
  /** Another server may try; `answer` is what this one said, if it said anything. */
  | {
      readonly type: 'elsewhere';
      readonly answer: StoredAnswer | undefined;
      /** The answer is about the request: other servers would say the same. */
      readonly final?: boolean;
    }
  /** The slot that looked free there was taken: it is nobody's failure, and the server may be asked again. */
  | { readonly type: 'busy' }
  /** Another server was faster. */
  | { readonly type: 'lost' }
  /**
   * Once more, over a fresh connection. `stale`: the kept one had been closed meanwhile, so the same server is asked in
   * the same seat; else this machine has another address now, and the server may, too.
   */
  | { readonly type: 'again'; readonly stale: boolean }
  | { readonly type: 'failed'; readonly begun: boolean; readonly reason: string }
);

/** Whose streams end with a message that says so. */
const MARKED: ReadonlySet<RouteClass> = new Set(['inference', 'pinned']);

const NOBODY: Outcome = { type: 'nobody' };

/** A full queue is a sign of life, and who has no room for another model runs those that it has. */
const SIGNS_OF_LIFE: ReadonlySet<string> = new Set([
  'OLLANA_BUSY',
  'OLLANA_QUEUE_FULL',
  'OLLANA_DISK_FULL',
  'OLLANA_TOO_MANY',
]);

/**
 * One try at one server, from dialling to the last byte at the client. A probe runs beside it: Ollama is
 * silent for minutes while it loads a model, so silence alone ends nothing. Never rejects.
 */
export async function attempt(options: AttendedOptions, input: AttemptInput): Promise<AttemptEnd> {
  const { exchange, pick } = input;
  const dispatch = {
    url: pick.server.url,
    method: exchange.method,
    target: exchange.target,
    headers: input.headers,
    body: input.body,
    fresh: input.fresh,
    client: exchange.response,
  };
  const sentAt = options.clock.now();
  const sent = sendAttended(options, pick.server.deviceId, dispatch, () => exchange.bytes);
  input.gate?.onLost(() => sent.giveUp('another server was faster'));
  const run = async (): Promise<AttemptEnd> => {
    const arrival = await sent.arrival;
    if (exchange.response.destroyed) {
      sent.giveUp('the client left');
      return { type: 'client-left', outcome: NOBODY };
    }
    if (arrival.stage !== 'answered') return unanswered(input, arrival);
    return answered(options, input, arrival.response, sentAt, (reason) => sent.given ?? reason);
  };
  const ended = await run();
  const end: AttemptEnd = input.gate?.lost() ? { type: 'lost', outcome: NOBODY } : ended;
  sent.leave();
  if (!sent.gone || end.outcome.type !== 'failed') return end;
  return { ...end, outcome: { ...end.outcome, cause: 'dial', judged: true } };
}

function unanswered(input: AttemptInput, arrival: Arrival & { stage: 'dial' | 'sent' }): AttemptEnd {
  const { stage, error, reused } = arrival;
  const { route, method } = input.exchange;
  const step = nextStep({ routeClass: route.class, method, stage, status: undefined, ...input });
  if (stage === 'sent' && step === 'elsewhere' && isBlameless(error, reused))
    return { type: 'again', stale: !isOwnLoss(error), outcome: NOBODY };
  const cause: FailureCause = stage === 'dial' ? 'dial' : 'stream';
  const outcome: Outcome = { type: 'failed', cause, reason: error.message };
  if (step === 'elsewhere') return { type: 'elsewhere', answer: undefined, outcome };
  return { type: 'failed', begun: false, reason: error.message, outcome };
}

async function answered(
  { router, clock, bodyLog }: AttendedOptions,
  input: AttemptInput,
  response: IncomingMessage,
  sentAt: number,
  /** The reason to tell for a break that looks like `reason`. */
  why: (reason: string) => string,
): Promise<AttemptEnd> {
  const { exchange, pick, listed, replayable } = input;
  const { route, method } = exchange;
  const status = response.statusCode ?? 502;
  if (response.headers[ERROR_HEADER.toLowerCase()] === 'OLLANA_BUSY' && pick.seatHeaders.length > 0) {
    response.resume();
    return { type: 'busy', outcome: NOBODY };
  }
  // It has not looked at the request, and does not know us any more rather than failed.
  const isUnpaired = response.headers[ERROR_HEADER.toLowerCase()] === 'OLLANA_NOT_PAIRED' && replayable;
  const refused = isUnpaired
    ? 'it is not paired with this device any more'
    : whyRefused(pick.server, status, response.headers['content-type'] ?? '');
  if (refused !== undefined) {
    response.resume();
    return {
      type: 'elsewhere',
      answer: undefined,
      outcome: { type: 'failed', cause: 'dial', reason: refused },
    };
  }
  const step = nextStep({ routeClass: route.class, method, stage: 'answered', status, replayable, listed });
  if (step === 'elsewhere') {
    const answer = await storeAnswer(response);
    if (status === 404) router.refresh(pick.server.deviceId);
    return { type: 'elsewhere', answer, outcome: statusOutcome(status, response) };
  }
  if (input.gate && status >= 400) {
    const answer = await storeAnswer(response);
    return {
      type: 'elsewhere',
      answer,
      final: answer !== undefined,
      outcome: statusOutcome(status, response),
    };
  }
  if (input.gate && !input.gate.claim()) return { type: 'lost', outcome: NOBODY };
  const framing = framingOf(response.headers['content-type']);
  let firstByteMs: number | undefined;
  const end = await relay(response, exchange.response, {
    protocol: route.protocol,
    marked: status === 200 && MARKED.has(route.class),
    extraHeaders: input.answerHeaders(),
    progress: exchange,
    clock,
    onBegin: () => {
      firstByteMs = clock.now() - sentAt;
      pick.begun();
    },
    onStall: () => pick.stalled(),
    describe: (reason, told) => {
      exchange.incomplete = !told;
      exchange.error = `${pick.server.name} broke off: ${why(reason)}`;
      return exchange.error;
    },
  });
  if (end.type === 'completed') {
    if (route.class === 'inference' && end.tail !== '') bodyLog?.answer(exchange.id, end.tail);
    if (status === 200)
      exchange.counters = readCounters({ protocol: route.protocol, framing, tail: end.tail });
    return {
      type: 'answered',
      outcome: status < 400 ? { type: 'completed' } : statusOutcome(status, response),
      ...(status === 200 && {
        result: {
          counters: exchange.counters,
          streamed: framing !== 'none',
          firstByteMs,
          totalMs: clock.now() - sentAt,
        },
      }),
    };
  }
  if (end.type === 'client-left') return { type: 'client-left', outcome: NOBODY };
  const reason = why(end.reason);
  // That a registry cannot be reached, or a file is no model, is not the server's failure: it said so itself.
  // A connection that is kept has left its response.
  const socket: Socket | null = response.socket;
  const blameless = (end.told && route.class === 'pinned') || isOwnLoss(socket?.errored);
  const outcome: Outcome = blameless ? NOBODY : { type: 'failed', cause: 'stream', reason };
  // Headers alone are not an answer: nothing has reached the client, so another server may still give one.
  if (!end.begun && isRepeatable({ routeClass: route.class, method, replayable })) {
    return { type: 'elsewhere', answer: undefined, outcome };
  }
  return { type: 'failed', begun: end.begun, reason, outcome };
}

/** Who is to blame for an error status: for a 500 the request may be; see `forward`. */
export function statusOutcome(status: number, response: IncomingMessage): Outcome {
  if (status < 502) return NOBODY;
  const said = response.headers[ERROR_HEADER.toLowerCase()];
  if (typeof said === 'string' && SIGNS_OF_LIFE.has(said)) return NOBODY;
  // Another ollana says by this header that its Ollama is away; a probe will tell when it is back.
  const cause: FailureCause = said === undefined || said === 'OLLANA_UPSTREAM_TRUNCATED' ? 'status' : 'dial';
  return { type: 'failed', cause, reason: `it answered ${status}` };
}

/**
 * Whether a connection ended in a way that says nothing about the server: it was a kept one that the server had closed
 * meanwhile, or this machine has another address now. Pure.
 */
export function isBlameless(error: Error, reused: boolean): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return isOwnLoss(error) || (reused && (code === 'ECONNRESET' || code === 'EPIPE'));
}
