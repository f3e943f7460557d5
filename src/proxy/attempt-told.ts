import type { Pick } from '../routing/pick.ts';
import type { AttemptEnd } from './attempt.ts';
import type { PartEnd } from './embed-part.ts';
import type { ProxyEvent } from './events.ts';
import type { Exchange } from './exchange.ts';

/** What is told when an attempt begins. Pure. */
export function attemptBegan(exchange: Exchange, pick: Pick, attempt: number): ProxyEvent {
  const { remoteAddress = '', remotePort = 0 } = exchange.request.socket;
  const client = `${remoteAddress}:${remotePort}`;
  const verdict = pick.server.verdict.state;
  return { type: 'attempt-began', ...about(exchange, pick, attempt), client, verdict };
}

/** What is told when it has ended, `durationMs` after it was sent. Pure. */
export function attemptEnded(
  exchange: Exchange,
  pick: Pick,
  attempt: number,
  { outcome, type: end }: AttemptEnd | PartEnd,
  durationMs: number,
): ProxyEvent {
  const { deviceId } = pick.server;
  return { type: 'attempt-ended', ...about(exchange, pick, attempt), deviceId, outcome, end, durationMs };
}

function about({ id, model }: Exchange, { server: { name: server, url }, reason }: Pick, attempt: number) {
  return { id, attempt, model, server, url, reason };
}
