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
  const refused = (reason: string) => {
    if (settled) return;
    settled = true;
    onRefused(reason);
  };
  const failed = () => {
    if (settled) return;
    settled = true;
    onFailed();
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
            () => {
              if (settled) return;
              settled = true;
              onSeat(seatOf(seat, giveBack));
            },
            () => {
              seat.release();
              failed();
            },
          );
        },
        onLost: () => {},
        onFailed: () => {},
        onQueued: (aheadMs) => wire.send(journey, () => settled || onQueued(aheadMs)),
        onRefused: (reason) => wire.send(journey, () => refused(reason)),
      });
    },
    failed,
  );
  return {
    close: () => {
      if (settled) return;
      settled = true;
      giveBack();
    },
  };
}

/** A seat, real or not, as a laptop holds it. Pure. */
export function seatOf(real: Seat | undefined, release: () => void): SimSeat {
  return { real, headers: [], use: () => {}, begun: () => {}, stalled: () => {}, release };
}
