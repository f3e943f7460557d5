import type { Clock } from '../clock.ts';
import type { Sighting } from '../discovery/sighting.ts';
import type { Identity } from './identify.ts';

/** One address of a server and who claims it. */
export interface Address {
  readonly url: string;
  /** Source name -> what it said. */
  readonly claims: Map<string, { expiresAt: number; name?: string; tier?: number }>;
  identity?: Identity;
  /** Set by whoever follows the address: called when a source says another tier than before. */
  onTier?: () => void;
}

/**
 * Whether the end of a source's claim counts without a look at the server: the user's own word, which nobody else can
 * speak, and heartbeats, which come over TCP, so that their absence says more than that of a datagram. Pure.
 */
export function endsAtOnce(source: string): boolean {
  return isUsersWord(source) || source === 'heartbeat';
}

/** Whether a source only repeats what the user has said. Pure. */
export function isUsersWord(source: string): boolean {
  return source === 'static' || source === 'file';
}

/** A claimed address beyond this many is ignored: a LAN has dozens, a flood of forged replies thousands. */
const MAX_ADDRESSES = 1024;
/** An address at which we have met ourselves is not asked again for so long, ms: it may become another machine's. */
const OURS_FOR_MS = 60_000;

/**
 * Membership: which addresses are claimed, by whom, until when, and which device each belongs to. It owns the
 * leases and nothing else; whoever holds the identity of an address tells it through `identified`.
 */
export class Registry {
  readonly #addresses = new Map<string, Address>();
  /** Addresses that turned out to be our own, and when; the last of them. */
  readonly #ours = new Map<string, number>();
  readonly #clock: Clock;
  readonly #ownDeviceId: string | undefined;

  constructor(options: { clock: Clock; ownDeviceId: string | undefined }) {
    this.#clock = options.clock;
    this.#ownDeviceId = options.ownDeviceId;
  }

  /**
   * Takes a sighting in and returns the address it is about, or undefined when it is not to be followed. A
   * lease of 0 (goodbye) lets that source's claim run out now.
   */
  sight(sighting: Sighting): Address | undefined {
    if (sighting.deviceId !== undefined && sighting.deviceId === this.#ownDeviceId) return undefined;
    const now = this.#clock.now();
    const isOurs = now - (this.#ours.get(sighting.url) ?? Number.NEGATIVE_INFINITY) < OURS_FOR_MS;
    // Whoever names another device knows better.
    if (isOurs && sighting.deviceId === undefined) return undefined;
    const known = this.#addresses.get(sighting.url);
    if (sighting.leaseMs <= 0) {
      const claim = known?.claims.get(sighting.source);
      if (claim) claim.expiresAt = Math.min(claim.expiresAt, now);
      return known;
    }
    if (!known && this.#addresses.size >= MAX_ADDRESSES) return undefined;
    const address: Address = known ?? { url: sighting.url, claims: new Map() };
    const name = sighting.name ?? address.claims.get(sighting.source)?.name;
    const { tier } = sighting;
    const moved = tier !== address.claims.get(sighting.source)?.tier;
    const expiresAt = now + sighting.leaseMs;
    address.claims.set(sighting.source, {
      expiresAt,
      ...(name && { name }),
      ...(tier !== undefined && { tier }),
    });
    this.#addresses.set(sighting.url, address);
    if (moved) address.onTier?.();
    return address;
  }

  /** Whether we have met ourselves at an address before. */
  wasOurs(url: string): boolean {
    return this.#ours.has(url);
  }

  /**
   * Notes who lives at an address; an address of our own is forgotten, and for a minute not taken in. Returns whether
   * it is still wanted.
   */
  identified(address: Address, identity: Identity): boolean {
    if (identity.deviceId === this.#ownDeviceId) {
      this.#addresses.delete(address.url);
      this.#ours.delete(address.url);
      this.#ours.set(address.url, this.#clock.now());
      const [oldest = ''] = this.#ours.keys();
      if (this.#ours.size > MAX_ADDRESSES) this.#ours.delete(oldest);
      return false;
    }
    address.identity = identity;
    return this.#addresses.get(address.url) === address;
  }

  /**
   * Drops the claims that ran out, for most sources only where `failedSince` says that the address has failed a probe
   * since then (or never answered at all), and the addresses left without any claim, which it returns. A network that
   * eats broadcasts, or a forged goodbye, does not make a server disappear that still answers.
   */
  expire(failedSince: (address: Address, sinceMs: number) => boolean): readonly Address[] {
    const now = this.#clock.now();
    const gone: Address[] = [];
    for (const address of this.#addresses.values()) {
      for (const [source, claim] of address.claims) {
        if (claim.expiresAt > now) continue;
        if (endsAtOnce(source) || failedSince(address, claim.expiresAt)) address.claims.delete(source);
      }
      if (address.claims.size > 0) continue;
      this.#addresses.delete(address.url);
      gone.push(address);
    }
    return gone;
  }

  addresses(): readonly Address[] {
    return [...this.#addresses.values()];
  }
}
