import type { Exchange } from '../proxy/exchange.ts';
import type { Entry } from '../routing/pick.ts';
import type { TicketDoor } from '../server/ticket-door.ts';
import { DEVICE_HEADER, GRANT_HEADER, IF_FREE_HEADER } from '../server/ticket-wire.ts';

/** A device id is 64 digits; what is longer is cut. */
const MAX_DEVICE = 64;

/** All of this machine's apps are one device in the queues that a client keeps. */
export function ownEntry(deviceId: string): () => Entry & { device: string } {
  return () => ({ device: deviceId });
}

/** In server mode an app of this machine waits in line, under its address. */
export function localEntry(exchange: Exchange): Entry & { device: string } {
  return { device: turnOf(exchange) };
}

/**
 * How a request enters this machine's queue: with a seat that its ticket won, only if a slot is free, or in line.
 * An app of another machine that speaks to this one directly has its address for a name.
 */
export function peerEntry(
  door: TicketDoor,
  pairedIdOf: (exchange: Exchange) => string | undefined,
): (exchange: Exchange) => Entry & { device: string } {
  return (exchange) => {
    const { request } = exchange;
    const device = turnOf(exchange, pairedIdOf(exchange));
    const grant = request.headers[GRANT_HEADER.toLowerCase()];
    if (typeof grant === 'string') return { device, seat: (_desk, job) => door.claim(grant, job) };
    if (request.headers[IF_FREE_HEADER.toLowerCase()] !== undefined)
      return { device, seat: (desk, job) => desk.take(job) };
    return { device };
  };
}

/**
 * Who shares a turn in the queue: a paired device, whatever address it comes from and whatever it calls itself; else
 * an address, and which of the ollanas behind it.
 */
export function turnOf({ request }: Exchange, pairedId?: string): string {
  if (pairedId !== undefined) return pairedId;
  const named = request.headers[DEVICE_HEADER.toLowerCase()];
  return `${request.socket.remoteAddress ?? ''} ${typeof named === 'string' ? named.slice(0, MAX_DEVICE) : ''}`;
}
