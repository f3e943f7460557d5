import type { Clock } from '../clock.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { MachineFacts } from '../fleet/machine-facts.ts';
import type { Pool } from '../fleet/pool.ts';
import type { EventStream } from '../observe/event-stream.ts';
import { Health, type HealthOptions, type Sight } from '../observe/health/health.ts';
import { pathOf } from '../ollama/routes.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import type { Desks } from './desks.ts';

export interface HealthParts {
  readonly mode: 'client' | 'server';
  readonly clock: Clock;
  readonly events: EventStream;
  readonly pool: () => Pool;
  readonly fleet: Pick<Fleet, 'unanswered'>;
  readonly desks: Pick<Desks, 'of'>;
  /** Base URL of this machine's Ollama. */
  readonly ollama: string;
  /** What is known of this machine; absent where it is not read. */
  readonly machine?: (() => MachineFacts | undefined) | undefined;
  readonly pairing: () => Sight['pairing'];
  readonly usesBroadcast: boolean;
  readonly protectsContext: boolean;
  /** See `HealthOptions`. */
  readonly usage?: HealthOptions['usage'];
}

/** Has the health of a daemon looked after: by what is known to its parts, and by what happens in them. */
export function watchHealth(parts: HealthParts): Health {
  const { clock, events, mode, ollama } = parts;
  const see = () => sight(parts, mode, ollama);
  const health = new Health({ clock, emit: events.emit, see, usage: parts.usage });
  events.listen(health.note);
  return health;
}

function sight(parts: HealthParts, mode: 'client' | 'server', ollama: string): Sight {
  const { pool, fleet, desks, machine, pairing, usesBroadcast, protectsContext } = parts;
  return {
    mode,
    ownUrl: mode === 'server' ? ollama : undefined,
    pairing: pairing(),
    usesBroadcast,
    protectsContext,
    unanswered: fleet.unanswered(),
    servers: pool().map((server) => {
      const isOwn = server.url === ollama;
      return {
        ...server,
        isOwn,
        // A plain Ollama tells neither: its queue is kept here, and its machine is read only where it is this one.
        load: server.load ?? desks.of(server).load(),
        machine: server.machine ?? (isOwn ? machine?.() : undefined),
      };
    }),
  };
}

/**
 * Answers `GET /dashboard/api/health` and `GET /dashboard/api/recommendations`; returns false for all else. In server
 * mode they are for this machine's apps only.
 */
export function healthPaths(mode: 'client' | 'server', health: Health): (exchange: Exchange) => boolean {
  const reports: Readonly<Record<string, () => object>> = {
    '/dashboard/api/health': () => health.report(),
    '/dashboard/api/recommendations': () => ({ recommendations: health.advice() }),
  };
  return (exchange) => {
    const path = pathOf(exchange.target);
    const report = Object.hasOwn(reports, path) ? reports[path] : undefined;
    if (!report || (mode === 'server' && !exchange.fromHere)) return false;
    if (exchange.method === 'GET' || exchange.method === 'HEAD') answerJson(exchange, 200, report());
    else {
      exchange.extraHeaders.push('Allow', 'GET');
      answerJson(exchange, 405, { error: `${path} takes GET` });
    }
    return true;
  };
}
