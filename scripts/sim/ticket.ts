import type { Desk, Job, Seat, Ticket, TicketEvents } from '../../src/routing/desk.ts';
import type { Trip, Wire } from './wire.ts';

/** What a request took on its way. */
export interface Journey extends Trip {
  tickets: number;
  decisions: number;
  busy: number;
}

/** A seat that a grant stands for; `real` is undefined of one that only looked free. */
export interface SimSeat extends Seat {
  readonly real: Seat | undefined;
}

/** Opens a place in a server's queue over the network. */
export function openTicket(
  wire: Wire,
  desk: Desk,
  journey: Journey,
  job: Job,
  { onSeat, onQueued, onRefused, onFailed }: TicketEvents,
): Ticket {
  journey.tickets += 1;
  let waiting: Ticket | undefined;
  let granted: Seat | undefined;
  let settled = false;
  const giveBack = () => wire.send(journey, () => (granted ? granted.release() : waiting?.close()));
  const settle = (tell: () => void) => {
    if (settled) return;
    settled = true;
    tell();
  };
  wire.send(
    journey,
    () => {
      if (settled) return;
      waiting = desk.open(job, {
        onSeat: (seat) => {
          granted = seat;
          wire.send(
            journey,
            () => settle(() => onSeat(seatOf(seat, giveBack))),
            () => {
              seat.release();
              settle(onFailed);
            },
          );
        },
        onLost: () => {},
        onFailed: () => {},
        onQueued: (aheadMs) => wire.send(journey, () => settled || onQueued(aheadMs)),
        onRefused: (reason) => wire.send(journey, () => settle(() => onRefused(reason))),
      });
    },
    () => settle(onFailed),
  );
  return { close: () => settle(giveBack) };
}

/** A seat, real or not, as a laptop holds it. Pure. */
export function seatOf(real: Seat | undefined, release: () => void): SimSeat {
  return { real, headers: [], use: () => {}, begun: () => {}, stalled: () => {}, release };
}
