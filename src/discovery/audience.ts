import type { Clock } from '../clock.ts';
import type { Link } from './interfaces.ts';
import { RateLimit } from './rate-limit.ts';
import type { OnTraffic } from './traffic.ts';
import { Turns } from './turns.ts';
import type { Remote } from './udp.ts';
import type { Datagram } from './wire.ts';

/** What a server answers. */
export type Answer =
  | { readonly kind: 'bare' }
  | {
      readonly kind: 'extended';
      /** Of the query. */
      readonly nonce: string;
    };

export interface AudienceOptions {
  readonly clock: Clock;
  /** Whether those who read only four bytes would look for this server at the right port. */
  readonly isDefaultPort: boolean;
  readonly send: (answer: Answer, to: Remote, link: Link) => void;
  readonly onTraffic?: OnTraffic | undefined;
}

/** Answers of each kind a second to our own machine, where many share an address and nobody is forged from outside. */
const LOOPBACK_PER_SECOND = 50;

/** Decides whom a server answers, how and when. */
export class Audience {
  readonly #options: AudienceOptions;
  readonly #turns: Turns;
  readonly #loopbackRate: RateLimit;

  constructor(options: AudienceOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
    this.#loopbackRate = new RateLimit(options.clock, LOOPBACK_PER_SECOND);
  }

  /** A datagram came from `to` on `link`: sends what answers it, now or within a second, or nothing. */
  heard(datagram: Datagram, to: Remote, link: Link): void {
    const answer = this.#answer(datagram);
    if (!answer) return;
    const { kind } = answer;
    const send = () => this.#options.send(answer, to, link);
    const isTaken = link.internal ? this.#loopbackRate.allow(kind) : this.#turns.take({ kind, to, send });
    if (!isTaken) this.#options.onTraffic?.({ type: 'datagram', by: 'beacon', direction: 'refused' });
    else if (link.internal) send();
  }

  /** Whoever still waits for an answer gets none. */
  dismiss(): void {
    this.#turns[Symbol.dispose]();
  }

  #answer(datagram: Datagram): Answer | undefined {
    if (datagram.kind === 'query') return { kind: 'extended', nonce: datagram.nonce };
    // A bare reply from another port would send the asker to the default one, and the first ollana's clients exit when
    // that is closed. Ours ask for more when they start, and hear which port is announced.
    return datagram.kind === 'bare' && this.#options.isDefaultPort ? { kind: 'bare' } : undefined;
  }
}
