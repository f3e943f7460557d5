import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { FailureCause } from '../fleet/verdict-rules.ts';
import type { RouteClass } from '../ollama/routes.ts';
import type { Outcome, Pick, Router } from '../routing/router.ts';
import type { Exchange } from './exchange.ts';
import { relay } from './relay.ts';
import { isRepeatable, nextStep } from './retry.ts';
import { type StoredAnswer, storeAnswer } from './stored-answer.ts';
import type { Arrival, Transport } from './transport.ts';

export interface AttemptOptions {
  readonly router: Router;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Silence after which a server is given up, ms; 0 leaves that to the probe beside the request. */
  readonly silenceTimeoutMs: number;
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
  /** Headers to add to the answer, flat. */
  readonly answerHeaders: readonly string[];
}

/** What an attempt came to, and what it says about the server. */
export type AttemptEnd = { readonly outcome: Outcome } & (
  | { readonly type: 'answered' }
  | { readonly type: 'client-left' }
  /** Another server may try; `answer` is what this one said, if it said anything. */
  | { readonly type: 'elsewhere'; readonly answer: StoredAnswer | undefined }
  /** Once more, over a fresh connection: the kept one had been closed meanwhile. */
  | { readonly type: 'again' }
  | { readonly type: 'failed'; readonly begun: boolean; readonly reason: string }
);

/** Whose streams end with a message that says so. */
const MARKED: ReadonlySet<RouteClass> = new Set(['inference', 'pinned']);

const NOBODY: Outcome = { type: 'nobody' };

/**
 * One try at one server, from dialling to the last byte at the client. A probe runs beside it: Ollama is
 * silent for minutes while it loads a model, so silence alone ends nothing. Never rejects.
 */
export async function attempt(options: AttemptOptions, input: AttemptInput): Promise<AttemptEnd> {
  const { router, transport } = options;
  const { exchange, pick } = input;
  const { deviceId, url } = pick.server;
  const sending = transport.send({
    url,
    method: exchange.method,
    target: exchange.target,
    headers: input.headers,
    body: input.body,
    fresh: input.fresh,
    client: exchange.response,
  });
  let gone = false;
  let given: string | undefined;
  const giveUp = (reason: string) => {
    given ??= reason;
    sending.destroy(new Error(reason));
  };
  const attendance = router.attend(deviceId, (reason) => {
    gone = true;
    giveUp(reason);
  });
  const silence = watchSilence(options, exchange, giveUp);
  const run = async (): Promise<AttemptEnd> => {
    const arrival = await sending.arrival;
    silence.heard();
    if (exchange.response.destroyed) {
      sending.destroy(new Error('the client left'));
      return { type: 'client-left', outcome: NOBODY };
    }
    if (arrival.stage !== 'answered') return unanswered(input, arrival);
    return answered(options, input, arrival.response, {
      heard: () => {
        attendance.heard();
        silence.heard();
      },
      why: (reason) => given ?? reason,
    });
  };
  const end = await run();
  silence.stop();
  attendance.leave();
  if (!gone || end.outcome.type !== 'failed') return end;
  return { ...end, outcome: { ...end.outcome, cause: 'dial', judged: true } };
}

function unanswered(input: AttemptInput, arrival: Arrival & { stage: 'dial' | 'sent' }): AttemptEnd {
  const { stage, error, reused } = arrival;
  const { route, method } = input.exchange;
  const step = nextStep({ routeClass: route.class, method, stage, status: undefined, ...input });
  // A kept connection that the server had closed says nothing about the server.
  if (stage === 'sent' && reused && step === 'elsewhere' && isReset(error))
    return { type: 'again', outcome: NOBODY };
  const cause: FailureCause = stage === 'dial' ? 'dial' : 'stream';
  const outcome: Outcome = { type: 'failed', cause, reason: error.message };
  if (step === 'elsewhere') return { type: 'elsewhere', answer: undefined, outcome };
  return { type: 'failed', begun: false, reason: error.message, outcome };
}

async function answered(
  options: AttemptOptions,
  input: AttemptInput,
  response: IncomingMessage,
  on: {
    readonly heard: () => void;
    /** The reason to tell for a break that looks like `reason`. */
    readonly why: (reason: string) => string;
  },
): Promise<AttemptEnd> {
  const { router, clock } = options;
  const { exchange, pick, listed, replayable } = input;
  const { route, method } = exchange;
  const status = response.statusCode ?? 502;
  const step = nextStep({ routeClass: route.class, method, stage: 'answered', status, replayable, listed });
  if (step === 'elsewhere') {
    const answer = await storeAnswer(response);
    if (status === 404) router.refresh(pick.server.deviceId);
    return { type: 'elsewhere', answer, outcome: statusOutcome(status, response) };
  }
  const end = await relay(response, exchange.response, {
    protocol: route.protocol,
    marked: status === 200 && MARKED.has(route.class),
    extraHeaders: input.answerHeaders,
    onChunk: (bytes) => {
      exchange.firstByteAt ??= clock.now();
      exchange.bytes += bytes;
      on.heard();
    },
    describe: (reason) => {
      exchange.error = `${pick.server.name} broke off: ${on.why(reason)}`;
      return exchange.error;
    },
  });
  if (end.type === 'completed') {
    return {
      type: 'answered',
      outcome: status < 400 ? { type: 'completed' } : statusOutcome(status, response),
    };
  }
  if (end.type === 'client-left') return { type: 'client-left', outcome: NOBODY };
  const reason = on.why(end.reason);
  // That a registry cannot be reached, or a file is no model, is not the server's failure: it said so itself.
  const blameless = end.told && route.class === 'pinned';
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
  // Another ollana says by this header that its Ollama is away; a probe will tell when it is back.
  const cause: FailureCause = response.headers['x-ollana-error'] !== undefined ? 'dial' : 'status';
  return { type: 'failed', cause, reason: `it answered ${status}` };
}

/** Whether a connection ended as a kept one does that the other side had closed. */
export function isReset(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

/** Ends an attempt that has been silent for the time the user set. */
export function watchSilence(
  options: AttemptOptions,
  { response }: Exchange,
  giveUp: (reason: string) => void,
): { heard: () => void; stop: () => void } {
  const { clock, silenceTimeoutMs } = options;
  if (silenceTimeoutMs <= 0) return { heard: () => {}, stop: () => {} };
  let heardAt = clock.now();
  const look = () => {
    // While the client does not read, the server is not read either.
    if (response.writableNeedDrain) heardAt = clock.now();
    const left = heardAt + silenceTimeoutMs - clock.now();
    if (left > 0) cancel = clock.after(left, look);
    else giveUp(`silent for ${silenceTimeoutMs / 1000} s (--silence-timeout)`);
  };
  let cancel = clock.after(silenceTimeoutMs, look);
  return {
    heard: () => {
      heardAt = clock.now();
    },
    stop: () => cancel(),
  };
}
