import type { Clock } from '../clock.ts';
import { HEARTBEAT_MAX_BYTES, HEARTBEAT_PATH, readHeartbeat } from '../discovery/heartbeat.ts';
import type { Registrations } from '../discovery/registrations.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Pool } from '../fleet/pool.ts';
import { pathOf } from '../ollama/routes.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import { type Ended, fleetStatus } from './fleet-status.ts';
import { findNode, nodesOf } from './nodes-view.ts';
import { bad, readJson, refuseForeignPages, restOf } from './small-json.ts';
import type { StatusReport } from './status.ts';

export interface NodesPathsOptions {
  readonly mode: 'client' | 'server';
  readonly clock: Clock;
  readonly fleet: Fleet;
  readonly status: () => StatusReport;
  readonly pool: () => Pool;
  /** What has ended at a server (by name) for a model. */
  readonly endedAt: (server: string, model: string) => Ended;
  /** Takes servers in that post themselves; absent where nobody may. */
  readonly registrations: Registrations | undefined;
}

const NODE = '/nodes/';

/**
 * Answers `GET /nodes`, `GET /nodes/ID`, `GET /fleet/status` and `POST /nodes/heartbeat` in the shapes of the systems that others know, errors
 * included (`{"detail"}`); returns false for all other paths. In server mode they are for this machine's apps only.
 */
export function nodesPaths(options: NodesPathsOptions): (exchange: Exchange) => boolean {
  const { mode, clock, fleet, status, registrations } = options;
  const nodes = () => nodesOf(status().servers, fleet.addresses(), registrations?.list() ?? [], clock.wall());
  return (exchange) => {
    const path = pathOf(exchange.target);
    if (path === HEARTBEAT_PATH && exchange.method === 'POST') {
      hear(options, exchange).catch((error: unknown) => answerDetail(exchange, error));
      return true;
    }
    const isList = path === '/nodes';
    const isFleet = path === '/fleet/status';
    if (!isList && !isFleet && (!path.startsWith(NODE) || path.length === NODE.length)) return false;
    if (mode === 'server' && !exchange.fromHere) return false;
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      exchange.extraHeaders.push('Allow', path === HEARTBEAT_PATH ? 'GET, POST' : 'GET');
      answerJson(exchange, 405, { detail: 'Method Not Allowed' });
      return true;
    }
    if (isFleet) {
      answerJson(exchange, 200, fleetStatus(nodes(), options.pool(), options.endedAt));
      return true;
    }
    if (isList) {
      answerJson(exchange, 200, nodes());
      return true;
    }
    const node = findNode(nodes(), restOf(exchange, NODE));
    if (node) answerJson(exchange, 200, node);
    else answerJson(exchange, 404, { detail: 'Node not found' });
    return true;
  };
}

async function hear({ mode, clock, registrations }: NodesPathsOptions, exchange: Exchange): Promise<void> {
  refuseForeignPages(exchange);
  if (!registrations) {
    const remedy =
      mode === 'server'
        ? 'this ollana is in server mode: register at one in client mode'
        : 'its owner can allow it with `ollana --accept-registrations`';
    throw new OllanaError('OLLANA_NOT_ALLOWED', `servers may not register here; ${remedy}`, { status: 403 });
  }
  const body = await readJson(exchange, clock, HEARTBEAT_MAX_BYTES);
  if (!body) throw bad('the heartbeat is missing');
  const beat = heartbeatIn(body);
  const url = registrations.hear(beat, exchange.request.socket.remoteAddress ?? '');
  answerJson(exchange, 200, { node_id: beat.nodeId, status: 'ok', url });
}

function heartbeatIn(body: Readonly<Record<string, unknown>>): ReturnType<typeof readHeartbeat> {
  try {
    return readHeartbeat(body);
  } catch (error) {
    throw error instanceof RangeError ? bad(error.message) : error;
  }
}

/** An error in the hub's shape. A response that has begun is cut off instead. */
export function answerDetail(exchange: Exchange, thrown: unknown): void {
  const error = thrown instanceof OllanaError ? thrown : undefined;
  const detail = error?.message ?? `ollana failed: ${reasonOf(thrown)}`;
  exchange.error = detail;
  exchange.errorCode = error?.code;
  if (exchange.response.destroyed) return;
  if (exchange.response.headersSent) return void exchange.response.destroy();
  if (error?.retryAfterS !== undefined) exchange.extraHeaders.push('Retry-After', String(error.retryAfterS));
  answerJson(exchange, error?.status ?? 500, { detail });
}
