import { WATCH_PATH } from '../fleet/feed-reader.ts';
import { HELLO_PATH } from '../fleet/identify.ts';
import type { MachineFacts } from '../fleet/machine-facts.ts';
import { AUTHORIZE_PATH, REFUSED_TEXT } from '../fleet/rust-server.ts';
import type { OnLimit } from '../limits.ts';
import { pathOf } from '../ollama/routes.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson, answerText } from '../proxy/front.ts';
import type { Feed } from '../server/feed.ts';
import type { TicketDoor } from '../server/ticket-door.ts';
import { TICKETS_PATH } from '../server/ticket-wire.ts';
import { turnOf } from './entries.ts';
import type { ModelReport } from './model-report.ts';
import type { StatusReport } from './status.ts';

/** What a server tells of its machine, to whom it serves; the watch stream tells the same as `machine`. */
export const FACTS_PATH = '/ollana/api/facts';

export interface OwnPathsOptions {
  readonly mode: 'client' | 'server';
  readonly version: string;
  readonly deviceId: string;
  readonly name: string;
  readonly status: () => StatusReport;
  readonly models: () => ModelReport;
  /** Tells watchers what changes here; absent where nobody may watch. */
  readonly feed?: Feed | undefined;
  /** What is known of this machine; absent where it is not read. */
  readonly machine?: (() => MachineFacts | undefined) | undefined;
  /** Hands out places in this machine's queue; absent where there is none. */
  readonly door?: TicketDoor | undefined;
  /** The paired device that a request comes from. */
  readonly pairedIdOf: (exchange: Exchange) => string | undefined;
  /** What an ollana in Rust that asks is told of who this is; undefined where it may not use it. */
  readonly rustIdFor: (exchange: Exchange) => string | undefined;
  /** Told of who finds the queue or the stream full. */
  readonly onLimit: OnLimit;
}

/**
 * Answers ollana's own paths; returns false for all others. `hello` says who this is; `status` and `models` are for
 * this machine. `authorize` is what clients of ollana 0.5 and 0.6 ask, which end themselves on any answer but 200 with
 * JSON or 401, and use a server only if its id is on a list of their user's.
 */
export function ownPaths(options: OwnPathsOptions): (exchange: Exchange) => boolean {
  const { mode, version, deviceId, name, feed, door, rustIdFor, pairedIdOf, onLimit } = options;
  return (exchange) => {
    const path = pathOf(exchange.target);
    if (!path.startsWith('/ollana/')) return false;
    if (path === HELLO_PATH) {
      answerJson(exchange, 200, { mode, ollana: version, deviceId, name, watch: feed !== undefined });
    } else if (path === WATCH_PATH && feed && exchange.method === 'GET') feed.add(exchange.response, onLimit);
    else if (path === FACTS_PATH && options.machine) answerJson(exchange, 200, options.machine() ?? null);
    else if (path === TICKETS_PATH && door && exchange.method === 'POST')
      door.answer(exchange.request, exchange.response, turnOf(exchange, pairedIdOf(exchange)), onLimit);
    else if (path === AUTHORIZE_PATH) {
      const told = mode === 'server' ? rustIdFor(exchange) : undefined;
      if (told === undefined) answerText(exchange, 401, REFUSED_TEXT);
      else answerJson(exchange, 200, { device_id: told });
    } else if (path === '/ollana/api/status' && exchange.fromHere)
      answerJson(exchange, 200, options.status());
    else if (path === '/ollana/api/models' && exchange.fromHere) answerJson(exchange, 200, options.models());
    else answerJson(exchange, 404, { error: `there is no ${path} here` });
    return true;
  };
}
