import type { ServerLoad } from '../fleet/load.ts';
import type { Counters } from '../ollama/counters.ts';
import type { WorkAsked } from './finish.ts';

/** What a request is to a queue: how much work, and whose. */
export interface Job extends WorkAsked {
  /** Whoever shares a turn in the queue. */
  readonly device: string;
}

/** What became of a request that had a seat, for whoever learns from it. Times are ms. */
export interface SeatResult {
  readonly counters: Counters | undefined;
  /** The answer came in pieces as it was made. */
  readonly streamed: boolean;
  /** From sending to the first byte of the answer. */
  readonly firstByteMs: number | undefined;
  readonly totalMs: number;
}

/** The right to run one request at a server now. */
export interface Seat {
  /** Headers that show it to the server, flat. */
  readonly headers: readonly string[];
  /** The request is being sent: not every seat that is won is taken up, and until now nothing had been asked of Ollama. */
  use(): void;
  /** The first byte of the answer has come. */
  begun(): void;
  /** Its client reads slower than the server writes: what is seen of the answer comes late. */
  stalled(): void;
  /** Gives it back, used or not; only the first call counts. */
  release(result?: SeatResult): void;
}

/** A place in a server's queue. */
export interface Ticket {
  /** Leaves the queue. A seat granted meanwhile goes back at once. */
  close(): void;
}

/** What becomes of a place in a queue of this process. */
export interface PlaceEvents {
  readonly onSeat: (seat: Seat) => void;
  /** There is no seat yet; those ahead are expected to take so long, ms. Called once at most, before the others. */
  readonly onQueued: (aheadMs: number) => void;
  /** The queue is full; there will be no seat. */
  readonly onRefused: (reason: string) => void;
}

/** What becomes of a place in any queue. */
export interface TicketEvents extends PlaceEvents {
  /** Nobody hears of the place any more; it may be taken anew. */
  readonly onLost: () => void;
  /** The server cannot be reached, or answers nonsense; there will be no seat. */
  readonly onFailed: () => void;
}

/** Where requests for one server get their seats: its own queue, or this process's where it has none. */
export interface Desk {
  /** What runs and waits there, as far as known; of models that are idle there `model` at least, or all. */
  load(model?: string): ServerLoad | undefined;
  /** A seat at once, if it looks free; the server may still find it taken, and says so then. */
  take(job: Job): Seat | undefined;
  /** Waits for a seat. Events come after this has returned. */
  open(job: Job, events: TicketEvents): Ticket;
}
