import type { Cancel, Clock } from '../clock.ts';
import type { Seat, Ticket } from './desk.ts';
import { bestOf, freeStandIn, inOrder, isWorth, type Option, type Valued, valuesOf } from './valuation.ts';

export interface BindingOptions {
  readonly clock: Clock;
  /** Servers that may take the request, in order of preference; asked anew whenever something has changed. */
  readonly options: () => readonly Option[];
  /** Whether a slot that looks free may be taken without a ticket; false once the server has found it taken. */
  readonly mayTake: boolean;
  /** A number from 0 up to 1, anew at every call. */
  readonly dice: () => number;
  /** Calls back after every change that could matter, until cancelled. */
  readonly onChange: (listener: () => void) => Cancel;
  /** Called once, maybe before `bind` returns, with the servers as they stood then. */
  readonly onSeat: (seat: Seat, option: Option, all: readonly Valued[]) => void;
  /** No server that may take it is left; called once, with what one said whose queue is full. */
  readonly onNone: (reason: string | undefined) => void;
}

/** A place in a queue and when the request was expected to end there, on the clock. */
interface Held {
  readonly ticket: Ticket;
  dueAt: number;
}

/**
 * Places that one request has in queues at most. With three, one central queue is missed by far where there are ten
 * servers and more (`npm run simulate`).
 */
const MAX_TICKETS = 6;
/** Places that it takes in all, one after the other: messages per request stay bounded. */
const MAX_PLACES = 12;
/** Estimates are renewed this often even if nobody tells of a change, ms: time passes for those who wait. */
const REVIEW_MS = 250;
/** A refused seat's server is not asked again sooner, ms. */
const DECLINED_MS = 100;

/**
 * Finds a seat as late as possible. A free warm slot at the best server is taken at once. Else the request
 * waits at the best server, and also wherever it would end sooner if that server began with it now; the first
 * seat that is still worth it wins, and the other places are given up. Returns what cancels all of it.
 */
export function bind({ clock, options, mayTake, dice, onChange, onSeat, onNone }: BindingOptions): Cancel {
  const tickets = new Map<string, Held>();
  /** Servers that will have no seat for it. */
  const out = new Set<string>();
  let refusal: string | undefined;
  const declinedAt = new Map<string, number>();
  const spread = new Map<string, number>();
  const share = (deviceId: string) => {
    const known = spread.get(deviceId) ?? dice();
    spread.set(deviceId, known);
    return known;
  };
  /** The servers with when the request would end there, given the places it has. */
  const valued = (): readonly Valued[] => {
    const now = clock.now();
    const open = options().filter(({ deviceId }) => !out.has(deviceId));
    const dueMs = (deviceId: string) => {
      const held = tickets.get(deviceId);
      return held && held.dueAt - now;
    };
    return valuesOf(open, { dueMs, share, fooled });
  };
  let stopListening: Cancel = () => {};
  let stopReview: Cancel = () => {};
  let over = false;
  let places = 0;
  /** How often a server that looked free turned out to be taken. */
  let fooled = mayTake ? 0 : 1;
  let stepping = false;
  let again = false;

  const end = () => {
    over = true;
    stopListening();
    stopReview();
    for (const { ticket } of tickets.values()) ticket.close();
    tickets.clear();
  };
  const win = (seat: Seat, option: Option, all: readonly Valued[]) => {
    tickets.delete(option.deviceId);
    end();
    onSeat(seat, option, all);
  };
  const granted = (deviceId: string, seat: Seat) => {
    tickets.delete(deviceId);
    if (over) return seat.release();
    const now = valued();
    const one = now.find(({ option }) => option.deviceId === deviceId);
    const rival = bestOf(now.filter(({ option }) => option.deviceId !== deviceId));
    if (one && (!rival || places >= MAX_PLACES || isWorth(one.option, rival)))
      return win(seat, one.option, now);
    seat.release();
    declinedAt.set(deviceId, clock.now());
    step();
  };
  const openTicket = ({ deviceId, desk, job, estimate }: Option) => {
    places += 1;
    let early: Seat | undefined;
    let opened = false;
    let queuedMs: number | undefined;
    // The server knows who is ahead; what it has told of its load is older than that.
    const dueAt = () =>
      clock.now() + (queuedMs === undefined ? estimate.finishMs : queuedMs + estimate.immediateMs);
    const leave = () => {
      tickets.delete(deviceId);
      out.add(deviceId);
      if (opened) step();
      else again = true;
    };
    const ticket = desk.open(job, {
      onSeat: (seat) => {
        if (!opened) early = seat;
        else granted(deviceId, seat);
      },
      onQueued: (aheadMs) => {
        queuedMs = aheadMs;
        if (estimate.free) fooled += 1;
        const held = tickets.get(deviceId);
        if (held) held.dueAt = dueAt();
        step();
      },
      onLost: () => {
        tickets.delete(deviceId);
        step();
      },
      onRefused: (reason) => {
        refusal ??= reason;
        leave();
      },
      onFailed: leave,
    });
    opened = true;
    if (early) granted(deviceId, early);
    else if (over) ticket.close();
    else if (!out.has(deviceId)) {
      tickets.set(deviceId, { ticket, dueAt: dueAt() });
    }
  };
  const closeWorst = (now: readonly Valued[]) => {
    const held = now.filter(({ option }) => tickets.has(option.deviceId));
    const id = held.sort(inOrder).at(-1)?.option.deviceId ?? '';
    tickets.get(id)?.ticket.close();
    tickets.delete(id);
  };
  const look = () => {
    const now = valued();
    for (const [deviceId, { ticket }] of tickets) {
      if (now.some(({ option }) => option.deviceId === deviceId)) continue;
      tickets.delete(deviceId);
      ticket.close();
    }
    const best = bestOf(now);
    if (!best) {
      end();
      return onNone(refusal);
    }
    const looksFree = best.option.estimate.free && !tickets.has(best.option.deviceId);
    const seat = mayTake && looksFree ? best.option.desk.take(best.option.job) : undefined;
    if (seat) return win(seat, best.option, now);
    const { standsIn, estimate } = best.option;
    const mustWait = !standsIn && estimate.immediateMs < estimate.finishMs;
    const standIn = mustWait ? freeStandIn(now) : undefined;
    if (standIn && standIn.finishMs < best.finishMs) {
      const other = standIn.option.desk.take(standIn.option.job);
      if (other) return win(other, standIn.option, now);
    }
    if (!tickets.has(best.option.deviceId) && (places < MAX_PLACES || tickets.size === 0)) {
      if (tickets.size >= MAX_TICKETS) closeWorst(now);
      openTicket(best.option);
      // Most likely there is a seat within a round trip: places elsewhere would only be given up again.
      if (looksFree) return;
    }
    const others = now.filter(
      (one) =>
        one !== best &&
        one.option.tier === best.option.tier &&
        one.option.estimate.immediateMs < best.finishMs,
    );
    for (const { option } of others.sort(inOrder)) {
      if (over || tickets.size >= MAX_TICKETS || places >= MAX_PLACES) return;
      if (tickets.has(option.deviceId)) continue;
      if (clock.now() - (declinedAt.get(option.deviceId) ?? Number.NEGATIVE_INFINITY) < DECLINED_MS) continue;
      openTicket(option);
    }
  };
  function step(): void {
    if (over) return;
    if (stepping) {
      again = true;
      return;
    }
    stepping = true;
    do {
      again = false;
      look();
    } while (again && !over);
    stepping = false;
  }
  // Most requests find a seat at once and need none of this.
  step();
  if (!over) {
    stopListening = onChange(step);
    stopReview = clock.every(REVIEW_MS, step);
  }
  return () => {
    if (!over) end();
  };
}
