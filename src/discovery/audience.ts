import type { Clock } from '../clock.ts';
import type { Link } from './interfaces.ts';
import { RateLimit } from './rate-limit.ts';
import { Recent } from './recent.ts';
import { BEACON_LEASE_MS } from './rhythm.ts';
import type { Remote } from './udp.ts';
import type { Datagram } from './wire.ts';

/** What a server does about a query. */
export type Answer = 'bare' | 'extended' | 'announce' | 'nothing';

/** Someone who understands the suffix, and the link on which he asked. */
export interface Listener {
  readonly remote: Remote;
  readonly link: Link;
}

/** Clients remembered at once; a LAN has hundreds, and the oldest go first. */
const MAX_LISTENERS = 1024;

/** Answers of each kind a second: to one socket, to all of one machine, and to our own machine. */
const PER_SECOND = { socket: 1, machine: 10, loopback: 50 };

/** Decides whom a server answers and how, and remembers who should hear its goodbye. Does no I/O. */
export class Audience {
  readonly #isDefaultPort: boolean;
  readonly #heard: Recent<true>;
  readonly #listeners: Recent<Listener>;
  readonly #socketRate: RateLimit;
  readonly #machineRate: RateLimit;
  readonly #loopbackRate: RateLimit;
  readonly #announceRate: RateLimit;

  /** `isDefaultPort`: whether those who read only four bytes would look for this server at the right port. */
  constructor(options: { readonly clock: Clock; readonly isDefaultPort: boolean }) {
    const { clock } = options;
    this.#isDefaultPort = options.isDefaultPort;
    this.#heard = new Recent({ clock, ttlMs: BEACON_LEASE_MS, max: MAX_LISTENERS });
    this.#listeners = new Recent({ clock, ttlMs: BEACON_LEASE_MS, max: MAX_LISTENERS });
    this.#socketRate = new RateLimit(clock, PER_SECOND.socket);
    this.#machineRate = new RateLimit(clock, PER_SECOND.machine);
    this.#loopbackRate = new RateLimit(clock, PER_SECOND.loopback);
    this.#announceRate = new RateLimit(clock, 1);
  }

  /** What to do about a datagram that came from `remote` on `link`, counted against the limits. */
  answer(datagram: Datagram, remote: Remote, link: Link): Answer {
    const key = `${remote.address}:${remote.port}`;
    if (datagram.kind === 'query') {
      this.#listeners.set(key, { remote, link });
      return this.#allow('extended', remote, link) ? 'extended' : 'nothing';
    }
    if (datagram.kind !== 'bare') return 'nothing';
    const isNew = !this.#heard.get(key);
    this.#heard.set(key, true);
    if (this.#isDefaultPort) return this.#allow('bare', remote, link) ? 'bare' : 'nothing';
    // A bare reply would send the asker to the default port, and the first ollana's clients exit when that is
    // closed. They do not hear announcements; those who do ask again for the port.
    return isNew && this.#announceRate.allow('all') ? 'announce' : 'nothing';
  }

  /**
   * Those who should hear a goodbye, who are then forgotten. Only askers with the suffix: to others it would look
   * like a reply and send them to a server that is leaving.
   */
  dismiss(): readonly Listener[] {
    const listeners = this.#listeners.values();
    this.#listeners.clear();
    this.#heard.clear();
    this.#socketRate.forget(); // Should the server come back within the second, it has news for all.
    return listeners;
  }

  #allow(kind: Answer, { address, port }: Remote, link: Link): boolean {
    if (link.internal) return this.#loopbackRate.allow(kind);
    return (
      this.#socketRate.allow(`${kind} ${address}:${port}`) && this.#machineRate.allow(`${kind} ${address}`)
    );
  }
}
