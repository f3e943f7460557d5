import type { Cancel, Clock } from '../clock.ts';
import type { Desk, Job, Seat, Ticket } from './desk.ts';
import type { Estimate } from './finish.ts';

/** A server that a request may go to, as it stands now. */
export interface Option {
  readonly deviceId: string;
  readonly desk: Desk;
  readonly estimate: Estimate;
  /** Lower ones are used up before higher ones are looked at. */
  readonly tier: number;
  /** The job as this server would see it: its cache differs from the others'. */
  readonly job: Job;
}

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
  /** Called once, maybe before `bind` returns. */
  readonly onSeat: (seat: Seat, option: Option) => void;
  /** No server that may take it is left; called once. */
  readonly onNone: (reason: string | undefined) => void;
}

/** A place in a queue and when the request was expected to end there, on the clock. */
interface Held {
  readonly ticket: Ticket;
  readonly dueAt: number;
}

/**
 * Places that one request has in queues at most. With three, one central queue is missed by far where there are ten
 * servers and more (`npm run simulate`).
 */
const MAX_TICKETS = 6;
/** Places that it takes in all, one after the other: messages per request stay bounded. */
const MAX_PLACES = 12;
/**
 * Free servers that differ by less than this in when a request would end there are as good as equal: each request
 * sees them in an order of its own, or many laptops would all choose the same one.
 */
const SPREAD = 0.1;
/**
 * While a slot is free somewhere, time in a queue counts this many times: whoever waits for a faster server makes
 * those behind wait longer, and the free one stands idle. With 100 servers at 80 % load the mean is 1.3 x that of
 * one central queue so, 1.5 x without (`npm run simulate`). Where none is free it counts once, or models push each
 * other out of memory to save a wait (`npm run bench -- fleet`).
 */
const WAITING_PRICE = 2;
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
  const refused = new Map<string, string>();
  const declinedAt = new Map<string, number>();
  const spread = new Map<string, number>();
  const spreadOf = (deviceId: string) => {
    const known = spread.get(deviceId);
    if (known !== undefined) return known;
    const made = 1 - SPREAD * dice();
    spread.set(deviceId, made);
    return made;
  };
  let stopListening: Cancel = () => {};
  let stopReview: Cancel = () => {};
  let over = false;
  let places = 0;
  let stepping = false;
  let again = false;

  const end = () => {
    over = true;
    stopListening();
    stopReview();
    for (const { ticket } of tickets.values()) ticket.close();
    tickets.clear();
  };
  const win = (seat: Seat, option: Option) => {
    tickets.delete(option.deviceId);
    end();
    onSeat(seat, option);
  };
  const granted = (deviceId: string, seat: Seat) => {
    tickets.delete(deviceId);
    if (over) return seat.release();
    const now = ranked();
    const one = now.find(({ option }) => option.deviceId === deviceId);
    const rival = now.find(({ option }) => option.deviceId !== deviceId);
    if (one && (!rival || places >= MAX_PLACES || isWorth(one.option, rival))) return win(seat, one.option);
    seat.release();
    declinedAt.set(deviceId, clock.now());
    step();
  };
  const openTicket = ({ deviceId, desk, job, estimate }: Option) => {
    places += 1;
    let early: Seat | undefined;
    let opened = false;
    const ticket = desk.open(job, {
      onSeat: (seat) => {
        if (!opened) early = seat;
        else granted(deviceId, seat);
      },
      onRefused: (reason) => {
        tickets.delete(deviceId);
        refused.set(deviceId, reason);
        if (opened) step();
        else again = true;
      },
    });
    opened = true;
    if (early) granted(deviceId, early);
    else if (over) ticket.close();
    else if (!refused.has(deviceId)) {
      tickets.set(deviceId, { ticket, dueAt: clock.now() + estimate.finishMs });
    }
  };
  /** The servers by when the request would end there, given the places it has. */
  const ranked = () => {
    const now = clock.now();
    const open = options().filter(({ deviceId }) => !refused.has(deviceId));
    const price = open.some(({ estimate }) => estimate.free) ? WAITING_PRICE : 1;
    return open
      .map((option) => {
        const { finishMs, immediateMs, free } = option.estimate;
        const held = tickets.get(option.deviceId);
        // Whoever came later is behind us, and we ourselves are in what the server says of its queue.
        const expectedMs = held ? clamp(held.dueAt - now, immediateMs, finishMs) : finishMs;
        const waitMs = expectedMs - immediateMs;
        const pricedMs = expectedMs + (price - 1) * waitMs;
        return { option, finishMs: free ? pricedMs * spreadOf(option.deviceId) : pricedMs };
      })
      .sort((a, b) => a.option.tier - b.option.tier || a.finishMs - b.finishMs);
  };
  const closeWorst = (now: ReturnType<typeof ranked>) => {
    const id = now.findLast(({ option }) => tickets.has(option.deviceId))?.option.deviceId ?? '';
    tickets.get(id)?.ticket.close();
    tickets.delete(id);
  };
  const look = () => {
    const now = ranked();
    for (const [deviceId, { ticket }] of tickets) {
      if (now.some(({ option }) => option.deviceId === deviceId)) continue;
      tickets.delete(deviceId);
      ticket.close();
    }
    const [best] = now;
    if (!best) {
      end();
      return onNone([...refused.values()][0]);
    }
    const seat = mayTake && best.option.estimate.free ? best.option.desk.take(best.option.job) : undefined;
    if (seat) return win(seat, best.option);
    if (!tickets.has(best.option.deviceId) && (places < MAX_PLACES || tickets.size === 0)) {
      if (tickets.size >= MAX_TICKETS) closeWorst(now);
      openTicket(best.option);
    }
    for (const { option } of now.slice(1)) {
      if (over || tickets.size >= MAX_TICKETS || places >= MAX_PLACES) return;
      if (tickets.has(option.deviceId) || option.tier !== best.option.tier) continue;
      if (clock.now() - (declinedAt.get(option.deviceId) ?? Number.NEGATIVE_INFINITY) < DECLINED_MS) continue;
      if (option.estimate.immediateMs < best.finishMs) openTicket(option);
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

/**
 * Whether to take a seat rather than wait for the best of the others. One with the model loaded always is: a slot
 * that is given back stands idle meanwhile, and estimates are not as good as that.
 */
function isWorth({ tier, estimate }: Option, rival: { option: Option; finishMs: number }): boolean {
  return tier === rival.option.tier
    ? estimate.warm || estimate.immediateMs <= rival.finishMs
    : tier < rival.option.tier;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
