import type { Clock } from '../clock.ts';
import { type Answer, Audience } from './audience.ts';
import type { Interfaces, Link } from './interfaces.ts';
import type { OnNotice } from './notice.ts';
import { type Heard, type RoundReason, Station } from './station.ts';
import type { OnTraffic } from './traffic.ts';
import { encodeAnnouncement, encodeBare, encodeGoodbye, encodeReply, type Speaker } from './wire.ts';

export interface BeaconServerOptions {
  /** UDP port of discovery, the same for everyone on the LAN; 11436. */
  readonly port: number;
  /** Where this server really serves HTTP, 1 to 65535. */
  readonly httpPort: number;
  /** Where peers that read only four bytes look for it; 11435. */
  readonly defaultHttpPort: number;
  /** 64 lower-case hex digits. */
  readonly deviceId: string;
  /** What people call this machine; cut to 63 bytes on the wire. */
  readonly name: string;
  /** The only interfaces that may be used; empty = all. */
  readonly interfaces: readonly string[];
  /** Whether HTTP is served on link-local IPv6 addresses, too; true unless given. */
  readonly linkLocal?: boolean | undefined;
  readonly clock: Clock;
  /** Whether it speaks from the start; true unless given. See `setSpeaking`. */
  readonly speaking?: boolean | undefined;
  /** For phase and jitter, [0, 1); Math.random unless given. */
  readonly random?: (() => number) | undefined;
  readonly onNotice?: OnNotice | undefined;
  readonly onTraffic?: OnTraffic | undefined;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly networkInterfaces?: (() => Interfaces) | undefined;
}

/**
 * Makes a server known by UDP, broadcast and IPv6 multicast: answers those who ask, and announces itself at start, every
 * 5 s, and at once when the links change or the machine wakes. A datagram from the discovery port is another server speaking and is
 * never answered, so no two servers can keep each other talking. Start it when HTTP is served: clients of the first
 * ollana exit when what answered them on UDP refuses TCP.
 */
export class BeaconServer implements AsyncDisposable {
  readonly #options: BeaconServerOptions;
  readonly #speaker: Speaker;
  readonly #station: Station;
  readonly #audience: Audience;
  readonly #isDefaultPort: boolean;
  #speaking: boolean;
  #disposed: Promise<void> | undefined;

  /** Throws RangeError for an `httpPort` or a `deviceId` that the wire has no place for. */
  constructor(options: BeaconServerOptions) {
    const { httpPort, deviceId, name, clock, defaultHttpPort } = options;
    this.#options = options;
    this.#speaking = options.speaking ?? true;
    this.#speaker = { httpPort, deviceId, name };
    encodeGoodbye(this.#speaker);
    this.#isDefaultPort = httpPort === defaultHttpPort;
    this.#audience = new Audience({
      clock,
      isDefaultPort: this.#isDefaultPort,
      onTraffic: options.onTraffic,
      send: (answer, to, link) => this.#station.send(link, this.#wordsOf(answer), to),
    });
    this.#station = new Station({
      ...options,
      sendFrom: options.port,
      onRound: (link, why) => this.#announce(link, why),
      onHeard: (heard) => this.#heard(heard),
    });
  }

  /** Resolves when the first announcement has left. Never rejects: without a network it waits for one. */
  start(): Promise<void> {
    return this.#station.start();
  }

  /** Whether this server wants to be found. False says goodbye and is silent then; true announces at once. */
  setSpeaking(speaking: boolean): void {
    if (speaking === this.#speaking || this.#disposed) return;
    if (!speaking) this.#sayGoodbye();
    this.#speaking = speaking;
    if (speaking) this.#station.round();
  }

  /** Says goodbye and closes. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    if (this.#speaking) this.#sayGoodbye();
    this.#speaking = false;
    await this.#station[Symbol.asyncDispose]();
  }

  /** News says all, the rhythm as little as it can: nobody has to ask, and nobody asks whoever announces himself. */
  #announce(link: Link, why: RoundReason): void {
    if (!this.#speaking) return;
    const speaker = why === 'news' || link.internal ? this.#speaker : { ...this.#speaker, name: '' };
    const isPlain = why === 'rhythm' && !link.internal && this.#isDefaultPort;
    this.#station.broadcast(link, isPlain ? encodeBare() : encodeAnnouncement(speaker), why);
  }

  #wordsOf(answer: Answer): Buffer {
    return answer.kind === 'bare' ? encodeBare() : encodeReply(answer.nonce, this.#speaker);
  }

  #heard({ datagram, from, link }: Heard): void {
    if (this.#speaking && from.port !== this.#options.port) this.#audience.heard(datagram, from, link);
  }

  #sayGoodbye(): void {
    this.#audience.dismiss();
    const goodbye = encodeGoodbye(this.#speaker);
    for (const link of this.#station.links) this.#station.broadcast(link, goodbye, 'news');
  }
}
