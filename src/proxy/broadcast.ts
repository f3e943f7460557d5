import type { Agent } from 'node:http';
import type { Clock } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { type Fetched, fetchSmall } from '../ollama/client.ts';
import type { Exchange } from './exchange.ts';
import { headerText } from './headers.ts';

export interface BroadcastOptions {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** Reads the lists of a server again. */
  readonly refresh: (deviceId: string) => void;
}

/** What one server came to. */
export type Told =
  | { readonly name: string; readonly answer: Fetched }
  | { readonly name: string; readonly error: string };

/** Unloading waits for nothing and deleting for the disk, ms. */
const LIMIT_MS = 20_000;

/**
 * Sends a request to every one of `servers` and answers for all of them: with one server's own answer when all
 * did it, else with an error that says who did and who did not. Rejects with `OLLANA_UPSTREAM_FAILED` then.
 */
export async function broadcast(
  options: BroadcastOptions,
  exchange: Exchange,
  servers: readonly PoolServer[],
  body: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const { agent, clock, connectTimeoutMs, refresh } = options;
  const contentType = exchange.request.headers['content-type'];
  const told = await Promise.all(
    servers.map(async ({ name, url, deviceId }): Promise<Told> => {
      try {
        const answer = await fetchSmall(url + exchange.target, {
          agent,
          clock,
          connectTimeoutMs,
          timeoutMs: LIMIT_MS,
          method: exchange.method,
          headers: contentType === undefined ? {} : { 'content-type': contentType },
          body,
          signal,
        });
        return { name, answer };
      } catch (error) {
        return { name, error: reasonOf(error) };
      } finally {
        refresh(deviceId);
      }
    }),
  );
  if (exchange.response.destroyed) return;
  const answer = answerFor(told);
  exchange.server = told.map(({ name }) => name).join(', ');
  exchange.response.writeHead(answer.status, [
    ...exchange.extraHeaders,
    ...(answer.contentType === '' ? [] : ['Content-Type', answer.contentType]),
    'Content-Length',
    String(answer.body.length),
    'X-Ollana-Server',
    headerText(exchange.server),
    'X-Ollana-Reason',
    'every holder',
    'X-Ollana-Request-Id',
    exchange.id,
  ]);
  exchange.response.end(answer.body);
}

/**
 * One answer for several. A server that says 404 has nothing to remove, which is what was wanted; when all say
 * so, that is the answer. Throws `OLLANA_UPSTREAM_FAILED` when some did it and some did not. Pure.
 */
export function answerFor(told: readonly Told[]): Fetched {
  const answered = told.flatMap((one) => ('answer' in one ? [one.answer] : []));
  const done = answered.filter(({ status }) => status < 300);
  const failed = told.filter(
    (one) => !('answer' in one) || (one.answer.status >= 300 && one.answer.status !== 404),
  );
  const [first] = failed.length === 0 ? [...done, ...answered] : done.length === 0 ? answered : [];
  // One and the same refusal of all needs no other words than Ollama's own.
  if (first && (failed.length === 0 || failed.length === answered.length)) return first;
  const names = told.filter((one) => !failed.includes(one)).map(({ name }) => name);
  const reasons = failed.map((one) => `${one.name}: ${'answer' in one ? errorIn(one.answer) : one.error}`);
  const did = names.length === 0 ? 'no server did it' : `done on ${names.join(', ')}, but not everywhere`;
  throw new OllanaError('OLLANA_UPSTREAM_FAILED', `${did}; ${reasons.join('; ')}`, { status: 502 });
}

function errorIn({ status, body }: Fetched): string {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // Not JSON: the status has to do.
  }
  return `it answered ${status}`;
}
