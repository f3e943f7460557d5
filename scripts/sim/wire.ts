import type { Clock } from '../../src/clock.ts';

/** From one machine to another on a LAN, ms. */
export const HOP_MS = 0.5;
/** A broken stream is opened again after this at the latest, and tells what is so then, ms. */
const REOPENED_MS = 1000;

export interface WireOptions {
  readonly clock: Clock;
  readonly dice: () => number;
  readonly lost: number;
  readonly staleMs: number;
}

/** What a request has sent to and fro: itself and its answer, tickets, grants, and what closes or refuses them. */
export interface Trip {
  messages: number;
}

/** The network: everything takes its time, some of it is lost, and all of it is counted. */
export class Wire {
  /** Changes of load that servers told; each goes to everyone who watches. */
  told = 0;
  readonly #options: WireOptions;

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** Delivers a message. A lost one is a connection that is reset, which its sender notices a hop later. */
  send(trip: Trip, deliver: () => void, onReset: () => void = deliver): void {
    trip.messages += 1;
    const { clock } = this.#options;
    if (this.#isLost()) clock.after(2 * HOP_MS, onReset);
    else clock.after(HOP_MS, deliver);
  }

  /** Delivers a table of loads, which is old by then; a lost one much later. */
  tell(deliver: () => void): void {
    this.told += 1;
    const { clock, staleMs } = this.#options;
    clock.after(staleMs + HOP_MS + (this.#isLost() ? REOPENED_MS : 0), deliver);
  }

  #isLost(): boolean {
    return this.#options.lost > 0 && this.#options.dice() < this.#options.lost;
  }
}
