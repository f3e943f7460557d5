import type { Cancel, Clock } from '../clock.ts';
import { Recent } from './recent.ts';
import type { Remote } from './udp.ts';

/** One answer: four bytes, or all that there is to say, which says those, too. */
export interface Turn {
  readonly kind: 'bare' | 'extended';
  readonly to: Remote;
  readonly send: () => void;
}

/** The time between two answers to one address, ms. */
const APART_MS = 1000;

/** So much later than the last answer left, ms: a timer of the system may be early by as much. */
const SURELY_MS = APART_MS + 5;

/** Addresses answered within a second, ours all together: a LAN has hundreds, and beyond this a flood is not answered. */
const MAX_ADDRESSES = 1024;

/**
 * Gives each address one answer a second, whatever its ports: the sender of a datagram may be forged, and nobody is to be
 * flooded by us. A machine may have several clients, so one more question waits for the next turn.
 */
export class Turns implements Disposable {
  readonly #clock: Clock;
  readonly #last: Recent<Turn>;
  /** Address -> who is next there; each has an entry in `#last`, so these are no more than those. */
  readonly #next = new Map<string, { turn: Turn; readonly cancel: Cancel }>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = new Recent({ clock, ttlMs: APART_MS, max: MAX_ADDRESSES });
  }

  /**
   * Sends the answer now or, if none to that address is waiting, in its turn; not at all if it has just been said.
   * Returns whether the asker has, or will have, an answer: a flood has none.
   */
  take(turn: Turn): boolean {
    const { address } = turn.to;
    const next = this.#next.get(address);
    if (next) {
      if (covers(turn, next.turn)) next.turn = turn;
      return covers(next.turn, turn);
    }
    const last = this.#last.get(address);
    if (last && covers(last, turn)) return true;
    if (last) {
      const cancel = this.#clock.after(SURELY_MS, () => this.#advance(address));
      this.#next.set(address, { turn, cancel });
      return true;
    }
    if (this.#last.isFull) return false;
    this.#send(turn);
    return true;
  }

  /** Forgets who waits; not who has had an answer. */
  [Symbol.dispose](): void {
    for (const { cancel } of this.#next.values()) cancel();
    this.#next.clear();
  }

  #advance(address: string): void {
    const next = this.#next.get(address);
    this.#next.delete(address);
    if (next && !this.#last.isFull) this.#send(next.turn);
  }

  #send(turn: Turn): void {
    this.#last.set(turn.to.address, turn);
    turn.send();
  }
}

/** Whether the first of two answers says all that the second would. */
function covers(one: Turn, other: Turn): boolean {
  return one.to.port === other.to.port && (one.kind === 'extended' || other.kind === 'bare');
}
