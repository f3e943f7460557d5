import type { Clock } from '../clock.ts';
import type { LogArea } from '../config/log-level.ts';
import { MDNS_PORT } from '../discovery/mdns-records.ts';
import type { DiscoveryNotice } from '../discovery/notice.ts';
import type { CostFileNotice } from '../fleet/cost-file.ts';
import type { FleetEvent } from '../fleet/events.ts';
import type { ProxyEvent, RequestEnded } from '../proxy/events.ts';
import type { ObservedEvent } from './event-stream.ts';
import type { HealthEvent } from './health/events.ts';
import type { Log, LogFields } from './log.ts';
import { narrateLimits } from './narrate-limits.ts';

/** Puts all that is observed into the log. */
export function narrate(log: Log, clock: Clock): (event: ObservedEvent) => void {
  const of = (area: LogArea) => log.area?.(area) ?? log;
  const [fleet, proxy, discovery, costs, health] = [
    narrateFleet(of('servers')),
    narrateProxy(of('requests'), clock),
    narrateDiscovery(of('discovery')),
    narrateCosts(log),
    narrateHealth(log),
  ];
  return (event) => {
    switch (event.type) {
      case 'server-joined':
      case 'server-left':
      case 'server-woken':
      case 'verdict-changed':
      case 'address-refused':
        return fleet(event);
      case 'attempt-began':
      case 'attempt-ended':
      case 'model-pulled':
      case 'request-ended':
      case 'limit-reached':
        return proxy(event);
      // Too many for anybody to read; they are counted.
      case 'ticket':
      case 'datagram':
        return;
      case 'cost-file-unreadable':
      case 'cost-file-unwritable':
        return costs(event);
      case 'problem-began':
      case 'problem-ended':
        return health(event);
      default:
        return discovery(event);
    }
  };
}

/** Puts what happens in the fleet into the log, one line a change. */
function narrateFleet(log: Log): (event: FleetEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'server-joined':
        return log.info('server found', {
          server: event.name,
          url: event.url,
          kind: event.kind,
          source: event.source,
        });
      case 'server-left':
        return log.info('server gone', { server: event.name, url: event.url });
      case 'server-woken':
        return log.info('waking a server', { server: event.name, model: event.model, macs: event.macs });
      case 'verdict-changed': {
        const { name, url, verdict } = event;
        if (verdict.state === 'reliable') return log.info('server reliable again', { server: name, url });
        const fields = { server: name, url, cause: verdict.cause, reason: verdict.reason };
        // That it is away has been said; each further turn it gets would say it again.
        if (verdict.state === 'second-chance') return log.debug('server failed its second chance', fields);
        return log.warn('server unreliable', fields);
      }
      case 'address-refused':
        // A laptop without an Ollama of its own is the usual case.
        if (event.sources.includes('local'))
          return log.debug('no Ollama on this machine', { url: event.url, reason: event.reason });
        return log.warn('address does not answer as a server', { url: event.url, reason: event.reason });
    }
  };
}

/** Puts requests into the log: one line each, attempts that failed besides. */
function narrateProxy(log: Log, clock: Clock): (event: ProxyEvent) => void {
  const onLimit = narrateLimits(log, clock);
  return (event) => {
    if (event.type === 'limit-reached') return onLimit(event);
    // What came of it says as much, but for requests that take long.
    if (event.type === 'attempt-began') {
      if (!log.writes('debug')) return;
      const { type: _type, ...fields } = event;
      return log.debug('attempt', fields);
    }
    if (event.type === 'attempt-ended') {
      if (event.outcome.type !== 'failed') return;
      const { id, attempt, server, outcome } = event;
      const fields = { id, attempt, server, cause: outcome.cause, reason: outcome.reason };
      return event.model === undefined
        ? log.debug('attempt failed', fields)
        : log.warn('attempt failed', fields);
    }
    if (event.type === 'model-pulled') {
      const { type: _type, copies, ...fields } = event;
      return log.info(
        copies ? 'copying a model from a server' : 'pulling a model that no server has',
        fields,
      );
    }
    const [level, message] = lineOf(event);
    // Of every request: what is not written is not put together either.
    if (log.writes(level)) log[level](message, fieldsOf(event));
  };
}

/** How a request that has ended is told of. Pure. */
function lineOf({ model, outcome, errorCode }: RequestEnded): readonly ['debug' | 'info' | 'warn', string] {
  const failed = outcome === 'failed' || outcome === 'incomplete';
  // Lists are polled by every open page and probes by every peer; what ran a model is what people look for.
  if (model === undefined) return ['debug', outcome === 'failed' ? 'request failed' : 'request'];
  // Another ollana asked for a slot that was free a moment ago, and takes a ticket now.
  if (outcome === 'failed' && errorCode === 'OLLANA_BUSY') return ['debug', 'busy'];
  return failed ? ['warn', 'request failed'] : ['info', 'request'];
}

/** What was considered is for those who ask why, not for every line. */
function fieldsOf(event: RequestEnded): LogFields {
  const {
    type: _t,
    route: _r,
    routeClass: _c,
    deviceId: _d,
    considered: _s,
    parent: _p,
    isUse: _u,
    ...more
  } = event;
  const { counters, ...facts } = more;
  return {
    ...facts,
    queueMs: rounded(facts.queueMs),
    heldMs: rounded(facts.heldMs),
    firstByteMs: rounded(facts.firstByteMs),
    durationMs: rounded(facts.durationMs),
    promptTokens: counters?.promptTokens,
    outputTokens: counters?.outputTokens,
    loadMs: facts.cold ? rounded(counters?.loadMs) : undefined,
  };
}

const CANNOT_LISTEN =
  'cannot listen for announcements, servers are found by asking only: is another program on this UDP port?';
const ANOTHER_PORT = '--discovery-port takes another, the same on all machines';

/** Puts what discovery notices into the log. */
export function narrateDiscovery(log: Log): (notice: DiscoveryNotice) => void {
  return (notice) => {
    const { type, ...fields } = notice;
    switch (notice.type) {
      case 'links-changed':
        if (notice.links.length > 0) {
          const links = notice.links.map((link) => `${link.interface} ${link.address}`);
          return log.info('network interfaces in use', { links });
        }
        return log.warn(
          'no network to find servers on: connect to one (it is noticed by itself), check --interface, or name servers with --server',
        );
      case 'listen-failed':
        return log.warn(
          notice.port === MDNS_PORT ? CANNOT_LISTEN : `${CANNOT_LISTEN} ${ANOTHER_PORT}`,
          fields,
        );
      case 'send-failed':
        return log.warn(
          'cannot send on an interface, going on with the others: a firewall, or no address there yet',
          fields,
        );
      case 'bad-line':
        return log.warn('a line of the server file is not understood and skipped', fields);
      case 'file-unreadable':
        return log.warn('the server file cannot be read, going on with what it said last', fields);
      case 'dns-failed':
        return log.warn('DNS does not answer, going on with what it said last', fields);
      case 'dns-empty':
        return log.warn('DNS knows no server under that name', fields);
      case 'added-unreadable':
        return log.warn(
          'the servers kept by `ollana add --keep` cannot be read, going on without them: correct the file and restart, or add them anew',
          fields,
        );
    }
  };
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}

/** Puts what is wrong with the file of learned speeds into the log. */
function narrateCosts(log: Log): (notice: CostFileNotice) => void {
  return ({ type, file, reason }) =>
    type === 'cost-file-unreadable'
      ? log.warn('learned speeds cannot be read: they are learned anew', { file, reason })
      : log.warn('learned speeds cannot be written: the next start learns anew', { file, reason });
}

/** Puts what the health checks find into the log: a line when a problem begins, and one when it ends. */
function narrateHealth(log: Log): (event: HealthEvent) => void {
  return ({ type, problem, score }) => {
    const { id, severity, title, seen, remedy } = problem;
    if (type === 'problem-ended') return log.info('problem solved', { id, title, score });
    const fields = { id, severity, title, seen, remedy: remedy.command, on: remedy.on ?? undefined, score };
    return severity === 'info' ? log.info('worth knowing', fields) : log.warn('problem', fields);
  };
}
