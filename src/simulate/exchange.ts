import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import type { Fault } from './faults.ts';
import type { SeenLog, SeenRequest } from './seen.ts';

/** JSON bodies above this are refused; images of 20 MB as base64 fit well. */
const MAX_BODY_BYTES = 64 << 20;
/** What of a body is kept in the log. */
const MAX_KEPT_BYTES = 64 << 10;

/** A request on its way through the simulated Ollama. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** The path without query. */
  readonly path: string;
  readonly record: SeenRequest;
  /** Aborts when the client leaves before the answer has ended. */
  readonly signal: AbortSignal;
  /** What is to go wrong with this one. */
  fault: Fault | undefined;
  /** The body, where the route does not read it itself. */
  body: Buffer;
  /** Set before the simulator itself breaks the connection, so that it is not taken for the client leaving. */
  brokenOff: boolean;
  /** Set when the body did not fit. */
  tooLarge: boolean;
}

/** Opens the record of a request and watches its client. */
export function openExchange(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
  seen: SeenLog,
): Exchange {
  const url = req.url ?? '/';
  const gone = new AbortController();
  const record: SeenRequest = {
    method: req.method ?? 'GET',
    path: url,
    headers: req.headers,
    rawHeaders: req.rawHeaders,
    bodySha256: '',
    bodyBytes: 0,
    at: clock.now(),
    answered: false,
  };
  res.on('finish', () => {
    record.answered = true;
    seen.changed();
  });
  res.on('close', () => {
    if (record.answered) return;
    if (!exchange.brokenOff) record.abortedAt = clock.now();
    gone.abort();
    seen.changed();
  });
  // A client that resets must not end the process.
  req.on('error', () => {});
  res.on('error', () => {});
  const exchange: Exchange = {
    req,
    res,
    path: url.split('?', 1)[0] ?? '/',
    record,
    signal: gone.signal,
    fault: undefined,
    body: Buffer.alloc(0),
    brokenOff: false,
    tooLarge: false,
  };
  return exchange;
}

/**
 * Reads the body to its end, hashing it; keeps it only if `keep`. After each piece `goOn` may end the reading.
 * Resolves also when the client left; the signal tells.
 */
export function readBody(exchange: Exchange, keep: boolean, goOn: () => boolean = () => true): Promise<void> {
  const { req, record } = exchange;
  const hash = createHash('sha256');
  const kept: Buffer[] = [];
  return new Promise((resolve) => {
    const end = () => {
      if (record.bodySha256 !== '') return;
      record.bodySha256 = hash.digest('hex');
      if (keep && !exchange.tooLarge)
        exchange.body = kept.length === 1 && kept[0] ? kept[0] : Buffer.concat(kept);
      if (exchange.body.length > 0 && exchange.body.length <= MAX_KEPT_BYTES) record.body = exchange.body;
      resolve();
    };
    req.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      record.bodyBytes += chunk.length;
      if (!goOn()) {
        req.pause();
        return end();
      }
      if (!keep || exchange.tooLarge) return;
      if (record.bodyBytes > MAX_BODY_BYTES) {
        exchange.tooLarge = true;
        kept.length = 0;
      } else kept.push(chunk);
    });
    req.once('end', end);
    req.once('close', end);
  });
}
