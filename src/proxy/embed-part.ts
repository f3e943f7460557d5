import type { IncomingMessage } from 'node:http';
import { addressOf } from '../config/host.ts';
import type { Outcome, Pick } from '../routing/pick.ts';
import { isBlameless, statusOutcome } from './attempt.ts';
import { type AttendedOptions, sendAttended } from './attended.ts';
import type { Exchange } from './exchange.ts';
import { forwardHeaders } from './headers.ts';
import { nextStep } from './retry.ts';

export interface PartOptions extends AttendedOptions {
  /** This device's entry in `Via`. */
  readonly via: string;
}

export interface PartInput {
  readonly exchange: Exchange;
  readonly pick: Pick;
  /** Body of the request for this part. */
  readonly body: Buffer;
  /** See `Dispatch`. */
  readonly fresh: boolean;
  /** Aborts when nobody wants the answer any more. */
  readonly signal: AbortSignal;
  /** Asks for room for more bytes of the answer; without it the part is given up. */
  readonly takeRoom: (bytes: number) => boolean;
}

/** What became of one part at one server, and what it says about the server. */
export type PartEnd = { readonly outcome: Outcome } & (
  | { readonly type: 'answered'; readonly body: Buffer; readonly contentType: string }
  /** Another server may try; `status` is what this one said, if it said anything. */
  | { readonly type: 'elsewhere'; readonly status: number | undefined }
  /** Once more, over a fresh connection. */
  | { readonly type: 'again' }
  /** No server would do it like this: the client is to see what Ollama says to the whole request. */
  | { readonly type: 'unsplit' }
);

const NOBODY: Outcome = { type: 'nobody' };

/**
 * Sends one part to one server and keeps the answer. As with a whole request a probe runs beside it, and silence
 * alone ends nothing. Never rejects; an abort closes the connection and blames nobody.
 */
export async function askPart(options: PartOptions, input: PartInput): Promise<PartEnd> {
  const { exchange, pick, body, fresh, signal } = input;
  const { deviceId, url } = pick.server;
  const own = ['accept-encoding', 'content-length'];
  const dispatch = {
    url,
    method: exchange.method,
    target: exchange.target,
    headers: forwardHeaders(without(exchange.request.rawHeaders, own), {
      host: addressOf(url).host,
      via: options.via,
      contentLength: body.length,
    }),
    body,
    fresh,
    client: exchange.response,
  };
  let bytes = 0;
  const sent = sendAttended(options, deviceId, dispatch, () => bytes);
  const onAbort = () => sent.giveUp('the answer is not wanted any more');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const arrival = await sent.arrival;
    if (arrival.stage === 'answered') {
      const onBytes = (more: number) => {
        bytes += more;
      };
      const end = await answered(input, arrival.response, onBytes, () => sent.given);
      if (signal.aborted) return { type: 'unsplit', outcome: NOBODY };
      if (end.type === 'elsewhere' && end.status === 404) options.router.refresh(deviceId);
      return sent.gone && end.outcome.type === 'failed' ? judged(end, end.outcome) : end;
    }
    if (signal.aborted) return { type: 'unsplit', outcome: NOBODY };
    const { stage, error, reused } = arrival;
    if (stage === 'sent' && !sent.gone && isBlameless(error, reused))
      return { type: 'again', outcome: NOBODY };
    const cause = stage === 'dial' || sent.gone ? 'dial' : 'stream';
    const outcome: Outcome = { type: 'failed', cause, reason: error.message, judged: sent.gone };
    return { type: 'elsewhere', status: undefined, outcome };
  } finally {
    signal.removeEventListener('abort', onAbort);
    sent.leave();
  }
}

async function answered(
  { exchange, takeRoom }: PartInput,
  response: IncomingMessage,
  onBytes: (bytes: number) => void,
  why: () => string | undefined,
): Promise<PartEnd> {
  const { route, method } = exchange;
  const status = response.statusCode ?? 502;
  const { body, roomy } = await readWhole(response, onBytes, takeRoom);
  if (!roomy) return { type: 'unsplit', outcome: NOBODY };
  if (status === 200 && body) {
    const contentType = response.headers['content-type'] ?? 'application/json; charset=utf-8';
    return { type: 'answered', body, contentType, outcome: { type: 'completed' } };
  }
  if (status === 200) {
    const reason = why() ?? 'the answer broke off';
    return { type: 'elsewhere', status, outcome: { type: 'failed', cause: 'stream', reason } };
  }
  const facts = { routeClass: route.class, method, stage: 'answered', status } as const;
  const step = nextStep({ ...facts, replayable: true, listed: true });
  const outcome = statusOutcome(status, response);
  return step === 'elsewhere' ? { type: 'elsewhere', status, outcome } : { type: 'unsplit', outcome };
}

/** Reads an answer; `body` is undefined when it broke off, `roomy` false when there was no room for it. */
function readWhole(
  response: IncomingMessage,
  onBytes: (bytes: number) => void,
  takeRoom: (bytes: number) => boolean,
): Promise<{ body: Buffer | undefined; roomy: boolean }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let roomy = true;
    response.on('data', (chunk: Buffer) => {
      onBytes(chunk.length);
      roomy &&= takeRoom(chunk.length);
      if (roomy) chunks.push(chunk);
      else response.destroy();
    });
    response.once('close', () => {
      resolve({ body: response.complete && roomy ? Buffer.concat(chunks) : undefined, roomy });
    });
  });
}

function judged(end: PartEnd, outcome: Outcome & { type: 'failed' }): PartEnd {
  return { ...end, outcome: { ...outcome, cause: 'dial', judged: true } };
}

/** Flat headers less those with these names, in lower case. */
function without(raw: readonly string[], names: readonly string[]): string[] {
  return raw.filter((_, i) => !names.includes((raw[i - (i % 2)] ?? '').toLowerCase()));
}
