import type { PoolServer } from '../fleet/pool.ts';
import type { FailureCause } from '../fleet/verdict-rules.ts';
import type { Considered } from './considered.ts';
import type { Desk, Job, Seat, SeatResult } from './desk.ts';

/** How an attempt ended, as far as anyone is to be believed or blamed for it. */
export type Outcome =
  /** The whole answer, terminal marker included, went through. */
  | { readonly type: 'completed' }
  /** The client left, or the answer is an error of the client's own making: nobody is blamed. */
  | { readonly type: 'nobody' }
  | {
      readonly type: 'failed';
      readonly cause: FailureCause;
      readonly reason: string;
      /** The probe ended the attempt, and has judged the server. */
      readonly judged?: boolean;
    };

/** A leased choice: the server counts as busy with it until it is released. */
export interface Pick {
  readonly server: PoolServer;
  readonly reason: string;
  /** The servers that it was chosen from, best first; absent where there was no choice. */
  readonly considered?: readonly Considered[] | undefined;
  /** Headers that show the server the seat that was won there, flat. */
  readonly seatHeaders: readonly string[];
  /** The first byte of the answer has come. */
  begun(): void;
  /** The client reads slower than the server writes. */
  stalled(): void;
  /** Ends the lease; only the first call counts. `result` is what there is to learn from it. */
  release(outcome: Outcome, result?: SeatResult): void;
}

/** How a request gets its seat. */
export interface Entry {
  /** Called instead of waiting in line, for requests that bring a seat or will not wait; undefined: none is to be had. */
  readonly seat?: (desk: Desk, job: Job) => Seat | undefined;
  /** See `bind`; true unless given. */
  readonly mayTake?: boolean;
}
