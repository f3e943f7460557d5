import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import type { LimitName } from '../limits.ts';
import { parseJson, TooDeep } from '../ollama/parse-json.ts';
import { pathOf } from '../ollama/routes.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { isOwnApp } from '../proxy/own-app.ts';
import { judgeOrigin } from '../security/origin-rules.ts';
import { readSmallBody } from '../server/small-body.ts';

/** Whoever needs longer for some lines is not sending them, ms. */
const BODY_LIMIT_MS = 10_000;

/**
 * Throws OLLANA_NOT_ALLOWED (403) unless a request that changes something comes from a program of this machine and
 * from no web page but one of this address: pages that may use the models may not rearrange the servers.
 */
export function refuseStrangers(exchange: Exchange): void {
  if (!isOwnApp(exchange)) {
    throw new OllanaError(
      'OLLANA_NOT_ALLOWED',
      'this changes what ollana uses on this machine, so only programs of this machine may ask for it',
      { status: 403 },
    );
  }
  refuseForeignPages(exchange);
}

/** Throws OLLANA_NOT_ALLOWED (403) when a web page asks that is not of this very address. */
export function refuseForeignPages({ request: { headers } }: Exchange): void {
  const { origin, host = '' } = headers;
  if (judgeOrigin(origin, host, []) === 'same') return;
  throw new OllanaError('OLLANA_NOT_ALLOWED', `web pages of ${origin} may not ask for this`, { status: 403 });
}

/**
 * Reads the JSON object that a request carries; undefined when it has no body at all. Rejects with OLLANA_BAD_REQUEST:
 * 415 for a body of another type, 413 when it is over `maxBytes`, 408 when it does not come within 10 s, 400 when it is
 * no JSON object.
 */
export async function readJson(
  exchange: Exchange,
  clock: Clock,
  maxBytes: number,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { request } = exchange;
  const { headers } = request;
  const declared = Number(headers['content-length'] ?? 0);
  if (headers['transfer-encoding'] === undefined && declared === 0) return undefined;
  // Also what keeps out forms of web pages, which a browser sends anywhere without asking.
  if (!/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? ''))
    throw bad('send JSON, with Content-Type: application/json', 415);
  if (headers['content-encoding'] !== undefined) throw bad('send JSON that is not compressed', 415);
  const over = () => bad(`the body is over ${maxBytes} bytes: send less`, 413, 'body-bytes');
  if (declared > maxBytes) throw endingWith(exchange, over());
  const body = await readSmallBody(request, { clock, maxBytes, limitMs: BODY_LIMIT_MS });
  if (body === 'over') throw endingWith(exchange, over());
  if (body === 'late')
    throw endingWith(exchange, bad('the body did not come within 10 s: send it at once', 408, 'body-time'));
  if (body === 'broken') throw endingWith(exchange, bad('the request broke off', 400));
  return objectIn(body.toString('utf8'));
}

/** The rest of the body is not waited for: the connection ends with the answer. */
function endingWith(exchange: Exchange, error: unknown): unknown {
  exchange.extraHeaders.push('Connection', 'close');
  return error;
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    if (error instanceof TooDeep)
      throw bad(`the body is ${error.message}: send it flatter`, 400, 'json-depth');
    throw bad('the body is no JSON', 400);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Readonly<Record<string, unknown>>;
  throw bad('the body is no JSON object', 400);
}

/** An error of whoever asked. */
export function bad(message: string, status = 400, limit?: LimitName): OllanaError {
  return new OllanaError('OLLANA_BAD_REQUEST', message, { status, ...(limit && { limit }) });
}

/** What a path names after `prefix`; a broken escape names nothing that there is, and stays as it came. */
export function restOf({ target }: Exchange, prefix: string): string {
  const rest = pathOf(target).slice(prefix.length);
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
}
