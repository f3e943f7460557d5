import type { Cancel, Clock } from '../clock.ts';
import { bracketed } from '../config/host.ts';
import { RateLimit } from './rate-limit.ts';
import { Recent } from './recent.ts';
import { BEACON_INTERVAL_MS, BEACON_LEASE_MS } from './rhythm.ts';
import type { OnSighting } from './sighting.ts';
import type { Speaker } from './wire.ts';

export interface HearingOptions {
  readonly clock: Clock;
  /** Where a server that can only say four bytes serves HTTP. */
  readonly httpPort: number;
  readonly ownDeviceId?: string | undefined;
  readonly onSighting: OnSighting;
  /** Sends the server at an address an extended query. */
  readonly ask: (address: string) => void;
}

/** How long an announcement's sender has to say on which port it serves before the default one is assumed. */
const ANSWER_MS = 300;

/** A nonce is good for a round trip on a bad day. */
const NONCE_MS = 3000;

/** One server sends a handful of datagrams per round; on loopback many servers share one address. */
const PER_SECOND = { remote: 8, loopback: 1000 };

/** Questions to one server, and to all of those on loopback, which may come and go within a second. */
const ASKS_PER_SECOND = { remote: 1, loopback: 10 };

/** Questions to all servers together, so that a flood of forged announcements does not make us the flood. */
const ALL_ASKS_PER_SECOND = 50;

/**
 * How long a server's word on its port and device needs no other: so it is asked in every second round, and twice
 * before it counts no longer. Each laptop asks each server; hundreds that asked dozens more often would be a load.
 */
const WORD_MS = 1.5 * BEACON_INTERVAL_MS;

/** When loopback is asked again after too many questions, and the name of that wait among the addresses'. */
const LATER_MS = 1000;
const LATER = 'later';

/** Servers, nonces and open waits kept at once: a LAN has dozens, and the oldest go first. */
const MAX_KEPT = 1024;

/** What the datagrams that servers send mean: decides which of them are sightings, and whom to ask for more. */
export class Hearing implements Disposable {
  readonly #options: HearingOptions;
  readonly #remoteRate: RateLimit;
  readonly #loopbackRate: RateLimit;
  readonly #askRate: RateLimit;
  readonly #loopbackAskRate: RateLimit;
  readonly #allAsksRate: RateLimit;
  /** Nonce -> the address asked. */
  readonly #nonces: Recent<string>;
  /** Addresses whose server speaks for itself, under themselves. */
  readonly #outspoken: Recent<string>;
  /** Addresses whose server spoke for itself so lately that it need not be asked. */
  readonly #sure: Recent<true>;
  /** `address:port` -> who said it serves there. */
  readonly #known: Recent<Speaker & { readonly address: string }>;
  readonly #waits = new Map<string, Cancel>();

  constructor(options: HearingOptions) {
    const { clock } = options;
    this.#options = options;
    this.#remoteRate = new RateLimit(clock, PER_SECOND.remote);
    this.#loopbackRate = new RateLimit(clock, PER_SECOND.loopback);
    this.#askRate = new RateLimit(clock, ASKS_PER_SECOND.remote);
    this.#loopbackAskRate = new RateLimit(clock, ASKS_PER_SECOND.loopback);
    this.#allAsksRate = new RateLimit(clock, ALL_ASKS_PER_SECOND);
    this.#nonces = new Recent({ clock, ttlMs: NONCE_MS, max: MAX_KEPT });
    this.#outspoken = new Recent({ clock, ttlMs: BEACON_LEASE_MS, max: MAX_KEPT });
    this.#sure = new Recent({ clock, ttlMs: WORD_MS, max: MAX_KEPT });
    this.#known = new Recent({ clock, ttlMs: BEACON_LEASE_MS, max: MAX_KEPT });
  }

  /** Notes that an extended query went to an address; all of loopback counts as one. */
  asked(address: string, nonce: string): void {
    this.#nonces.set(nonce, placeOf(address));
  }

  /**
   * Asks the servers that spoke for themselves lately and are on a network once more: unlike a broadcast, what is
   * sent to one host is repeated by Wi-Fi until it arrives. Loopback is asked as a whole. With `onlyDue` those
   * are left alone whose word still stands.
   */
  askAgain(isHere: (address: string) => boolean, onlyDue: boolean): void {
    for (const address of this.#outspoken.values())
      if (!isLoopback(address) && isHere(address) && !(onlyDue && this.#sure.get(address)))
        this.#ask(address);
  }

  /**
   * Four bytes from a server. A reply comes only from the default port, so it is a sighting at once. An
   * announcement may come from a server on another port, and a reply from our own machine may be our own: those
   * wait for the server's own word, and count as the default port when there is none.
   */
  bare(
    address: string,
    { as, ours }: { readonly as: 'reply' | 'announcement'; readonly ours: boolean },
  ): void {
    if (!this.#mayReport(address)) return;
    // Whoever is known there is back, or still is; it may not be asked again within this second.
    for (const known of this.#known.values()) if (known.address === address) this.#sight(address, known);
    // On loopback every query is an extended one already, so a reply there has said what it can; an announcement may
    // come from one more server.
    if (isLoopback(address) ? as === 'announcement' : !this.#sure.get(address)) this.#ask(address);
    const certain = as === 'reply' && !(ours && this.#options.ownDeviceId !== undefined);
    if (certain) this.#assume(address);
    else if (!this.#outspoken.get(address) && !this.#waits.has(address) && this.#waits.size < MAX_KEPT)
      this.#waits.set(
        address,
        this.#options.clock.after(ANSWER_MS, () => this.#assume(address)),
      );
  }

  /** An extended reply; counts only with a nonce that went to that address. */
  reply(address: string, nonce: string, speaker: Speaker): void {
    if (this.#nonces.get(nonce) !== placeOf(address) || !this.#mayReport(address)) return;
    this.#outspoken.set(address, address);
    this.#sure.set(address, true);
    this.#stopWaiting(address);
    if (speaker.deviceId === this.#options.ownDeviceId) return;
    this.#known.set(`${address}:${speaker.httpPort}`, { ...speaker, address });
    this.#sight(address, speaker);
  }

  /** A goodbye; counts only from where that device was heard before. */
  goodbye(address: string, { deviceId, httpPort }: Speaker): void {
    const known = this.#known.get(`${address}:${httpPort}`);
    if (known?.deviceId !== deviceId) return;
    this.#known.delete(`${address}:${httpPort}`);
    this.#outspoken.delete(address);
    this.#sure.delete(address);
    this.#stopWaiting(address);
    this.#askRate.forget(address); // It may come back at once.
    this.#sight(address, known, 0);
  }

  /** Reports nothing from now on. */
  [Symbol.dispose](): void {
    for (const cancel of this.#waits.values()) cancel();
    this.#waits.clear();
  }

  #mayReport(address: string): boolean {
    return isLoopback(address) ? this.#loopbackRate.allow('loopback') : this.#remoteRate.allow(address);
  }

  #assume(address: string): void {
    this.#stopWaiting(address);
    this.#sight(address, { httpPort: this.#options.httpPort });
  }

  #ask(address: string): void {
    const rate = isLoopback(address) ? this.#loopbackAskRate : this.#askRate;
    if (rate.allow(placeOf(address)) && this.#allAsksRate.allow('all')) {
      this.#options.ask(address);
      return;
    }
    // When many servers start on one machine at once, the last of them are heard after the limit: one more for all.
    if (!isLoopback(address) || this.#waits.has(LATER)) return;
    const ask = () => {
      this.#waits.delete(LATER);
      this.#ask(address);
    };
    this.#waits.set(LATER, this.#options.clock.after(LATER_MS, ask));
  }

  #stopWaiting(address: string): void {
    this.#waits.get(address)?.();
    this.#waits.delete(address);
  }

  #sight(
    address: string,
    speaker: Pick<Speaker, 'httpPort'> & Partial<Speaker>,
    leaseMs = BEACON_LEASE_MS,
  ): void {
    const { httpPort, deviceId, name } = speaker;
    this.#options.onSighting({
      source: 'udp',
      url: `http://${bracketed(address)}:${httpPort}`,
      ...(deviceId && { deviceId }),
      ...(name && { name }),
      leaseMs,
    });
  }
}

function placeOf(address: string): string {
  return isLoopback(address) ? 'loopback' : address;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.');
}
