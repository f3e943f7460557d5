import type { Clock } from '../clock.ts';
import { addressOf } from '../config/host.ts';
import { OllanaError, reasonOf, type ServerEnd } from '../errors.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { type Fetched, fetchSmall } from '../ollama/client.ts';
import type { PathAgent } from '../security/path-agent.ts';
import type { Exchange } from './exchange.ts';
import { forwardHeaders, headerText } from './headers.ts';

export interface BroadcastOptions {
  readonly agent: PathAgent;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** This device's entry in `Via`. */
  readonly via: string;
  /** Reads the lists of a server again. */
  readonly refresh: (deviceId: string) => void;
}

/** What one server came to. */
export type HolderReply =
  | { readonly name: string; readonly answer: Fetched }
  | { readonly name: string; readonly error: string };

/** Unloading waits for nothing and deleting for the disk; one that hangs keeps the client no longer, ms. */
const LIMIT_MS = 20_000;

/**
 * Sends a request to every one of `servers` and answers for all of them: with one server's own answer when all
 * did it, else with an error that says who did and who did not. Rejects with `OLLANA_UPSTREAM_FAILED` then, 20 s
 * after the request at the latest. An abort closes every connection.
 */
export async function broadcast(
  options: BroadcastOptions,
  exchange: Exchange,
  servers: readonly PoolServer[],
  body: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const { agent, clock, connectTimeoutMs, via, refresh } = options;
  const replies = await Promise.all(
    servers.map(async ({ name, url, deviceId }): Promise<HolderReply> => {
      try {
        const answer = await fetchSmall(url + exchange.target, {
          agent,
          clock,
          connectTimeoutMs,
          timeoutMs: LIMIT_MS,
          method: exchange.method,
          headers: holderHeaders(exchange.request.rawHeaders, url, via, body.length),
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
  const answer = answerFor(replies);
  exchange.server = replies.map(({ name }) => name).join(', ');
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

/** The client's own headers, as any server gets them, save that answers must be readable here. Pure. */
function holderHeaders(
  raw: readonly string[],
  url: string,
  via: string,
  contentLength: number,
): Record<string, string> {
  const host = addressOf(url).host;
  return Object.fromEntries(
    Object.entries(forwardHeaders(raw, { host, via, contentLength }))
      .filter(([name]) => name.toLowerCase() !== 'accept-encoding')
      .map(([name, value]) => [name, [value].flat().join(', ')]),
  );
}

/**
 * One answer for several. A server that says 404 has nothing to remove, which is what was wanted; when all say
 * so, that is the answer. Throws `OLLANA_UPSTREAM_FAILED` with `servers` when one did not do it. Pure.
 */
export function answerFor(replies: readonly HolderReply[]): Fetched {
  const ends = replies.map(endOf);
  const answers = replies.flatMap((reply) => ('answer' in reply ? [reply.answer] : []));
  const first = answers.find(({ status }) => status < 300) ?? answers[0];
  if (first && ends.every(({ error }) => error === undefined)) return first;
  // One and the same refusal of all needs no other words than Ollama's own.
  const same = answers.filter(({ status, body }) => status === first?.status && body.equals(first.body));
  if (first && same.length === replies.length) return first;
  throw new OllanaError('OLLANA_UPSTREAM_FAILED', endLines(ends).join('; '), { status: 502, servers: ends });
}

function endOf(reply: HolderReply): ServerEnd {
  const { name } = reply;
  if (!('answer' in reply)) return { name, error: reply.error };
  const { status } = reply.answer;
  return status < 300 || status === 404 ? { name, status } : { name, status, error: errorIn(reply.answer) };
}

/** Who did it, then a line for each who did not, with why. Pure. */
export function endLines(ends: readonly ServerEnd[]): string[] {
  const done = ends.filter(({ error }) => error === undefined).map(({ name }) => name);
  const failed = ends.flatMap(({ name, error }) => (error === undefined ? [] : [`${name}: ${error}`]));
  return [
    done.length === 0 ? 'no server did it' : `done on ${done.join(', ')}, but not everywhere`,
    ...failed,
  ];
}

function errorIn({ status, body }: Fetched): string {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: unknown };
    // Cut to the length of a reason: a server may say megabytes.
    if (typeof error === 'string' && error !== '') return reasonOf({ message: error });
  } catch {
    // Not JSON: the status has to do.
  }
  return `it answered ${status}`;
}
