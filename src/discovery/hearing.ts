import type { Cancel, Clock } from '../clock.ts';
import { bracketed } from '../config/host.ts';
import { RateLimit } from './rate-limit.ts';
import { Recent } from './recent.ts';
import { BEACON_LEASE_MS } from './rhythm.ts';
import type { OnSighting } from './sighting.ts';
import type { OnTraffic } from './traffic.ts';
import type { Speaker } from './wire.ts';

export interface HearingOptions {
  readonly clock: Clock;
  /** Where a server that can only say four bytes serves HTTP. */
  readonly httpPort: number;
  readonly ownDeviceId?: string | undefined;
  readonly onSighting: OnSighting;
  /** Somebody announces himself by four bytes who has not said on which port he serves. */
  readonly onUnexplained: (address: string) => void;
  readonly onTraffic?: OnTraffic | undefined;
}

/** How long a server at an address of ours has to say that it is this one before it counts as another. */
const ANSWER_MS = 300;

/** A nonce is good for a round trip on a bad day. */
const NONCE_MS = 3000;

/** One server sends a handful of datagrams per round; on loopback many servers share one address. */
const PER_SECOND = { remote: 8, loopback: 1000 };

/**
 * Addresses a second of which nothing was heard lately. Each is a connection that is tried, and a flood of forged
 * senders must not make us knock at a whole network; a LAN has dozens of servers, and speaks again after 5 s.
 */
const NEW_PER_SECOND = 200;

/** Servers at one address, but on loopback: a machine runs one or a few, and a forger could name each of its ports. */
const PER_ADDRESS = 8;

/** Servers, nonces and open waits kept at once: the oldest go first. */
const MAX_KEPT = 1024;

/**
 * What the datagrams that servers send mean: decides which of them are sightings. It answers none of them: they may be
 * forged, and every client hears them.
 */
export class Hearing implements Disposable {
  readonly #options: HearingOptions;
  readonly #remoteRate: RateLimit;
  readonly #loopbackRate: RateLimit;
  readonly #newRate: RateLimit;
  readonly #nonces: Recent<true>;
  /** Addresses that were reported lately. */
  readonly #met: Recent<true>;
  /** Addresses whose server speaks for itself. */
  readonly #outspoken: Recent<true>;
  /** `address:port` -> who said it serves there. */
  readonly #known: Recent<Speaker & { readonly address: string }>;
  readonly #waits = new Map<string, Cancel>();

  constructor(options: HearingOptions) {
    const { clock } = options;
    this.#options = options;
    this.#remoteRate = new RateLimit(clock, PER_SECOND.remote);
    this.#loopbackRate = new RateLimit(clock, PER_SECOND.loopback);
    this.#newRate = new RateLimit(clock, NEW_PER_SECOND);
    this.#nonces = new Recent({ clock, ttlMs: NONCE_MS, max: MAX_KEPT });
    this.#met = new Recent({ clock, ttlMs: BEACON_LEASE_MS, max: MAX_KEPT });
    this.#outspoken = new Recent({ clock, ttlMs: BEACON_LEASE_MS, max: MAX_KEPT });
    this.#known = new Recent({ clock, ttlMs: BEACON_LEASE_MS, max: MAX_KEPT });
  }

  /** Notes that an extended query went out. */
  asked(nonce: string): void {
    this.#nonces.set(nonce, true);
  }

  /**
   * Four bytes from a server. Those who serve on another port than the default one neither reply nor announce
   * themselves so, but for older ones that announce themselves; such a one is found there when it was asked. What comes
   * from our own machine may be our own: that waits for the server's own word.
   */
  bare(
    address: string,
    { as, ours }: { readonly as: 'reply' | 'announcement'; readonly ours: boolean },
  ): void {
    if (!this.#mayReport(address)) return;
    const known = this.#knownAt(address);
    // Whoever is known there is back, or still is.
    for (const one of known) this.#note(address, one);
    const isOutspoken = this.#outspoken.get(address) === true;
    if (isOutspoken) this.#outspoken.set(address, true);
    if (known.some(({ httpPort }) => httpPort === this.#options.httpPort)) return;
    if (as === 'reply' && !(ours && this.#options.ownDeviceId !== undefined)) this.#assume(address);
    else if (isOutspoken) return;
    else if (ours || isLoopback(address)) this.#wait(address);
    else {
      this.#assume(address);
      this.#options.onUnexplained(address);
    }
  }

  /** An extended reply; counts only with a nonce of ours. */
  reply(address: string, nonce: string, speaker: Speaker): void {
    if (this.#nonces.get(nonce)) this.announcement(address, speaker);
  }

  /** A server says where it serves. */
  announcement(address: string, speaker: Speaker): void {
    if (!this.#mayReport(address)) return;
    this.#outspoken.set(address, true);
    this.#stopWaiting(address);
    if (speaker.deviceId !== this.#options.ownDeviceId) this.#note(address, speaker);
  }

  /** A goodbye; counts only from where that device was heard before. */
  goodbye(address: string, { deviceId, httpPort }: Speaker): void {
    const known = this.#known.get(`${address}:${httpPort}`);
    if (known?.deviceId !== deviceId) return;
    this.#known.delete(`${address}:${httpPort}`);
    this.#outspoken.delete(address);
    this.#stopWaiting(address);
    this.#sight(address, known, 0);
  }

  /** Reports nothing from now on. */
  [Symbol.dispose](): void {
    for (const cancel of this.#waits.values()) cancel();
    this.#waits.clear();
  }

  #mayReport(address: string): boolean {
    const may = this.#isWithinRate(address);
    if (!may) this.#options.onTraffic?.({ type: 'datagram', by: 'beacon', direction: 'refused' });
    return may;
  }

  #isWithinRate(address: string): boolean {
    if (isLoopback(address)) return this.#loopbackRate.allow('loopback');
    // In this order, so that a flood of strangers does not fill the places of those who are known.
    if (!this.#met.get(address) && !this.#newRate.allow('all')) return false;
    if (!this.#remoteRate.allow(address)) return false;
    this.#met.set(address, true);
    return true;
  }

  #wait(address: string): void {
    if (this.#waits.has(address) || this.#waits.size >= MAX_KEPT) return;
    const cancel = this.#options.clock.after(ANSWER_MS, () => this.#assume(address));
    this.#waits.set(address, cancel);
  }

  #assume(address: string): void {
    this.#stopWaiting(address);
    this.#sight(address, { httpPort: this.#options.httpPort });
  }

  #note(address: string, { httpPort, deviceId, name }: Speaker): void {
    const key = `${address}:${httpPort}`;
    const before = this.#known.get(key);
    if (!before && !isLoopback(address) && this.#knownAt(address).length >= PER_ADDRESS) return;
    // In the rhythm the name is left out.
    const speaker = { httpPort, deviceId, name: name || (before?.name ?? '') };
    this.#known.set(key, { ...speaker, address });
    this.#sight(address, speaker);
  }

  #knownAt(address: string): readonly (Speaker & { readonly address: string })[] {
    return this.#known.values().filter((one) => one.address === address);
  }

  #stopWaiting(address: string): void {
    this.#waits.get(address)?.();
    this.#waits.delete(address);
  }

  #sight(
    address: string,
    { httpPort, deviceId, name }: Pick<Speaker, 'httpPort'> & Partial<Speaker>,
    leaseMs = BEACON_LEASE_MS,
  ): void {
    this.#options.onSighting({
      source: 'udp',
      url: `http://${bracketed(address)}:${httpPort}`,
      ...(deviceId && { deviceId }),
      ...(name && { name }),
      leaseMs,
    });
  }
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.');
}
