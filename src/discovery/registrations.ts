import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import { HEARTBEAT_FORGET_MS, HEARTBEAT_LEASE_MS, HEARTBEAT_MS, type Heartbeat } from './heartbeat.ts';
import type { Interfaces } from './interfaces.ts';
import { isNeighbour, plainAddress, urlAt } from './neighbours.ts';
import { RateLimit } from './rate-limit.ts';
import type { OnSighting } from './sighting.ts';

export interface RegistrationsOptions {
  readonly clock: Clock;
  readonly onSighting: OnSighting;
  /** This machine's interfaces at this moment. */
  readonly interfaces: () => Interfaces;
  /** Whether one and the same device answers at both addresses. Never rejects. */
  readonly isSameDevice: (url: string, other: string) => Promise<boolean>;
}

/** A server that has posted itself. */
export interface Registration {
  readonly beat: Heartbeat;
  /** Where it connected from, with the port that it named. */
  readonly url: string;
  /** The same device by the other family of addresses, once that has been found to be true. */
  readonly otherUrl: string | undefined;
  /** Of the last beat, ms since 1970. */
  readonly seenAt: number;
  /** It has missed so many beats that it is not used. */
  readonly isStale: boolean;
}

interface Entry {
  beat: Heartbeat;
  readonly from: string;
  readonly url: string;
  /** On the clock, and on the wall. */
  at: number;
  wall: number;
  other: string | undefined;
  /** The other address that was looked at last, and when. */
  looked: { readonly url: string; readonly at: number } | undefined;
}

/** Nobody has more machines that broadcast cannot reach. */
const MAX_NODES = 256;
/** Several servers behind one router have its address; one machine that invents nodes fills no more than this. */
const MAX_PER_ADDRESS = 16;
/** A server beats twice a minute, and a few more times when its addresses change. */
const MAX_BEATS_PER_SECOND = 5;

/**
 * Servers that post themselves. The address of the connection is the truth; an address of the other family that a
 * server names is used if it is a neighbour of ours and the same device answers there, so that no peer can send us
 * anywhere else.
 */
export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #limit: RateLimit;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
    this.#limit = new RateLimit(options.clock, MAX_BEATS_PER_SECOND);
  }

  /**
   * Takes a beat in that came from `remoteAddress`; returns the URL by which the server is used. Throws
   * OLLANA_BAD_REQUEST: 400 for an address that is of no use, 429 for too many beats, 503 for too many servers.
   */
  hear(beat: Heartbeat, remoteAddress: string): string {
    const { clock, onSighting } = this.#options;
    const from = plainAddress(remoteAddress);
    const url = urlAt(from, beat.port);
    if (url === undefined)
      throw refused(
        400,
        `${from} cannot be connected to from here: register by an address that is not link-local`,
      );
    if (!this.#limit.allow(from)) throw refused(429, 'too many heartbeats: one every 30 s is enough');
    this.#forget();
    const known = this.#entries.get(url);
    if (!known) this.#makeRoom(from);
    const entry: Entry = known ?? { beat, from, url, at: 0, wall: 0, other: undefined, looked: undefined };
    Object.assign(entry, { beat, at: clock.now(), wall: clock.wall() });
    this.#entries.set(url, entry);
    onSighting({ source: 'heartbeat', url, leaseMs: HEARTBEAT_LEASE_MS });
    void this.#hearOther(entry);
    return url;
  }

  /** Those that have not been forgotten, in the order in which they came. */
  list(): readonly Registration[] {
    this.#forget();
    const now = this.#options.clock.now();
    return [...this.#entries.values()].map(({ beat, url, other, wall, at }) => ({
      beat,
      url,
      otherUrl: other,
      seenAt: wall,
      isStale: now - at >= HEARTBEAT_LEASE_MS,
    }));
  }

  async #hearOther(entry: Entry): Promise<void> {
    const { clock, interfaces, isSameDevice, onSighting } = this.#options;
    const { beat, from, url } = entry;
    const named = from.includes(':') ? beat.ipv4 : beat.ipv6;
    const other = named === undefined ? undefined : urlAt(named, beat.port);
    if (named === undefined || other === undefined || !isNeighbour(named, interfaces())) {
      entry.other = undefined;
      return;
    }
    if (entry.other !== other) {
      entry.other = undefined;
      const { looked } = entry;
      // Not with every beat of one that beats five times a second, and names another one each time.
      if (looked && clock.now() - looked.at < HEARTBEAT_MS / 2) return;
      entry.looked = { url: other, at: clock.now() };
      const isSame = await isSameDevice(url, other);
      if (!isSame || this.#entries.get(url) !== entry || entry.looked?.url !== other) return;
      entry.other = other;
    }
    onSighting({ source: 'heartbeat', url: other, leaseMs: HEARTBEAT_LEASE_MS });
  }

  #makeRoom(from: string): void {
    const all = [...this.#entries.values()];
    if (all.filter((entry) => entry.from === from).length >= MAX_PER_ADDRESS)
      throw refused(503, `${MAX_PER_ADDRESS} servers have registered from ${from} already`);
    if (all.length >= MAX_NODES) throw refused(503, `${MAX_NODES} servers have registered already`);
  }

  #forget(): void {
    const now = this.#options.clock.now();
    for (const [url, { at }] of this.#entries) if (now - at >= HEARTBEAT_FORGET_MS) this.#entries.delete(url);
  }
}

function refused(status: number, message: string): OllanaError {
  return new OllanaError('OLLANA_BAD_REQUEST', message, {
    status,
    ...(status !== 400 && { retryAfterS: 30 }),
  });
}
