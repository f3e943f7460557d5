import type { Clock } from '../../clock.ts';
import type { ObservedEvent } from '../event-stream.ts';

/** Something that discovery could not do. */
export interface Trouble {
  /** What it could not be done on: an interface, or address and port. */
  readonly where: string;
  readonly what: 'send' | 'listen';
  readonly reason: string;
  /** On the clock, ms. */
  readonly atMs: number;
}

/** What is wrong with the network as discovery sees it. */
export interface NetworkTrouble {
  readonly troubles: readonly Trouble[];
  /** There is no interface to find servers on. */
  readonly noLink: boolean;
}

/** Discovery tells of a trouble once and never of its end; it is believed for so long, ms. */
const BELIEVE_MS = 10 * 60_000;
/** A machine has some dozen interfaces. */
const MAX_TROUBLES = 16;

/** Remembers what discovery has complained of; a listener of the event stream. */
export class NetworkTroubles {
  readonly #clock: Clock;
  #troubles: readonly Trouble[] = [];
  #noLink = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes an event in. Bound, to be passed as a listener. */
  readonly note = (event: ObservedEvent): void => {
    if (event.type === 'links-changed') {
      this.#noLink = event.links.length === 0;
      // Whatever could not be done is tried on the new ones.
      this.#troubles = [];
    } else if (event.type === 'send-failed') this.#add('send', event.interface, event.reason);
    else if (event.type === 'listen-failed')
      this.#add('listen', `${event.address}:${event.port}`, event.reason);
  };

  #add(what: Trouble['what'], where: string, reason: string): void {
    const others = this.#troubles.filter((one) => one.where !== where || one.what !== what);
    this.#troubles = [...others, { what, where, reason, atMs: this.#clock.now() }].slice(-MAX_TROUBLES);
  }

  /** What is believed to be wrong now. */
  now(): NetworkTrouble {
    const now = this.#clock.now();
    const troubles = this.#troubles.filter(({ atMs }) => now - atMs <= BELIEVE_MS);
    return { troubles, noLink: this.#noLink };
  }
}
