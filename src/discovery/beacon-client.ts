import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { Hearing } from './hearing.ts';
import { type Interfaces, type Link, linkTo } from './interfaces.ts';
import type { OnNotice } from './notice.ts';
import { RateLimit } from './rate-limit.ts';
import type { DiscoverySource, OnSighting } from './sighting.ts';
import { type Heard, type RoundReason, Station } from './station.ts';
import type { OnTraffic } from './traffic.ts';
import { encodeBare, encodeQuery } from './wire.ts';

export interface BeaconClientOptions {
  /** UDP port of discovery, the same for everyone on the LAN; 11436. */
  readonly port: number;
  /** HTTP port of servers that can only say four bytes; 11435. */
  readonly httpPort: number;
  /** The only interfaces that may be used; empty = all. */
  readonly interfaces: readonly string[];
  readonly onSighting: OnSighting;
  readonly clock: Clock;
  /** For phase and jitter, [0, 1); Math.random unless given. */
  readonly random?: (() => number) | undefined;
  /** Sightings of this device are not reported. */
  readonly ownDeviceId?: string | undefined;
  readonly onNotice?: OnNotice | undefined;
  readonly onTraffic?: OnTraffic | undefined;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly networkInterfaces?: (() => Interfaces) | undefined;
}

/** `refresh` may be called for every request that finds no server. */
const REFRESH_MS = 250;

/** Extended queries on a link: servers answer no more of them. */
const EXTENDED_PER_SECOND = 1;

/**
 * Finds servers by UDP broadcast and IPv6 multicast: asks on every link at start, every 5 s, and at once when the links
 * change or the machine wakes; and listens for servers that announce themselves. A sighting counts for three rounds.
 * It asks everybody on a link and never one address alone: whoever seems to speak from there may be forged.
 */
export class BeaconClient implements DiscoverySource {
  readonly #options: BeaconClientOptions;
  readonly #station: Station;
  readonly #hearing: Hearing;
  readonly #extendedRate: RateLimit;
  /** Own addresses of links on which somebody announces himself who does not say where he serves. */
  readonly #curious = new Set<string>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #disposed = false;

  constructor(options: BeaconClientOptions) {
    this.#options = options;
    this.#extendedRate = new RateLimit(options.clock, EXTENDED_PER_SECOND);
    const onUnexplained = (address: string) => {
      const link = linkTo(address, this.#station.links);
      if (link) this.#curious.add(link.address);
    };
    this.#hearing = new Hearing({ ...options, onUnexplained });
    this.#station = new Station({
      ...options,
      sendFrom: 0,
      onRound: (link, why) => this.#query(link, why),
      onHeard: (heard) => this.#heard(heard),
    });
  }

  /** Resolves when the first queries have left. Never rejects: without a network it waits for one. */
  start(): Promise<void> {
    return this.#station.start();
  }

  /** Asks on every link at once, but at most once in 250 ms. */
  refresh(): void {
    const now = this.#options.clock.now();
    if (now - this.#askedAt < REFRESH_MS) return;
    this.#askedAt = now;
    this.#station.round();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#hearing[Symbol.dispose]();
    await this.#station[Symbol.asyncDispose]();
  }

  #query(link: Link, why: RoundReason): void {
    this.#askedAt = this.#options.clock.now();
    // The longer question first: servers give one answer a second, and this one gets the better. On our own machine
    // nobody minds that it is long, and there it tells several servers apart.
    const wantsMore = this.#curious.delete(link.address) || why === 'news' || link.internal;
    if (wantsMore && (link.internal || this.#extendedRate.allow(link.address))) {
      const nonce = randomBytes(8).toString('hex');
      this.#hearing.asked(nonce);
      const to = { address: link.broadcast, port: this.#options.port };
      this.#station.send(link, encodeQuery(nonce), to);
    }
    this.#station.broadcast(link, encodeBare(), why);
  }

  #heard({ datagram, from, by }: Heard): void {
    // Servers speak from the discovery port; anyone else who sends there is a client with a query.
    if (this.#disposed || from.port !== this.#options.port) return;
    const { address } = from;
    if (datagram.kind === 'bare') {
      const ours = this.#station.links.some((link) => link.address === address);
      this.#hearing.bare(address, { as: by === 'port' ? 'announcement' : 'reply', ours });
    } else if (datagram.kind === 'reply') {
      this.#hearing.reply(address, datagram.nonce, datagram.speaker);
    } else if (datagram.kind === 'announcement') {
      this.#hearing.announcement(address, datagram.speaker);
    } else if (datagram.kind === 'goodbye') {
      this.#hearing.goodbye(address, datagram.speaker);
    }
  }
}
