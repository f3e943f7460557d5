import type { IncomingMessage } from 'node:http';
import { DEVICE_HEADER, GRANT_HEADER, IF_FREE_HEADER } from '../server/ticket-wire.ts';
import type { Exchange } from './exchange.ts';

/** Headers by which an ollana speaks to a queue. */
const MARKS = [DEVICE_HEADER, GRANT_HEADER, IF_FREE_HEADER].map((name) => name.toLowerCase());

/** How every ollana enters itself in `Via`, see `OWN_VIA` and core.ts. */
const OLLANA_VIA = /(^|,)\s*[\d.]+ ollana\b/;

/** Whether a request says that an ollana has sent it, its own or an app's. Pure. */
export function comesFromOllana({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return OLLANA_VIA.test(headers.via ?? '');
}

/**
 * Whether a request comes from an app of this machine and from no ollana, on this machine or another. Those that
 * an ollana has sent must not be sent on: with several of them they could go round for ever. Pure.
 */
export function isOwnApp({ fromHere, request }: Pick<Exchange, 'fromHere' | 'request'>): boolean {
  if (!fromHere || comesFromOllana(request)) return false;
  return MARKS.every((name) => request.headers[name] === undefined);
}
