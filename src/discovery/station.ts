import type { Cancel, Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type Interfaces, type Link, linkTo } from './interfaces.ts';
import { LinkSockets } from './link-sockets.ts';
import { LinkWatch } from './link-watch.ts';
import type { OnNotice } from './notice.ts';
import { beat } from './rhythm.ts';
import type { OnTraffic } from './traffic.ts';
import { type Remote, UdpSocket } from './udp.ts';
import { type Datagram, decode } from './wire.ts';

/** A datagram with the magic from a host on one of our links. */
export interface Heard {
  readonly datagram: Datagram;
  readonly from: Remote;
  /** The link on whose network the sender is. */
  readonly link: Link;
  /** `port`: sent to the discovery port of all; `link`: sent to the socket of one link. */
  readonly by: 'port' | 'link';
}

/** What a round is for. */
export type RoundReason = 'news' | 'rhythm';

export interface StationOptions {
  /** UDP port of discovery, which is listened on. */
  readonly port: number;
  /** Local port of the sockets that send; 0 = any. */
  readonly sendFrom: number;
  /** The only interfaces that may be used; empty = all. */
  readonly interfaces: readonly string[];
  /** Whether link-local IPv6 is used, too; true unless given. */
  readonly linkLocal?: boolean | undefined;
  readonly clock: Clock;
  /** For phase and jitter, [0, 1); Math.random unless given. */
  readonly random?: (() => number) | undefined;
  readonly onNotice?: OnNotice | undefined;
  readonly onTraffic?: OnTraffic | undefined;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly networkInterfaces?: (() => Interfaces) | undefined;
  /** Time to speak on a link: because something is new, or because 5 s are over. */
  readonly onRound: (link: Link, why: RoundReason) => void;
  readonly onHeard: (heard: Heard) => void;
}

const EVERYWHERE = '0.0.0.0';

/** How often within one round an address that is not ready is looked at again, and after how long, ms. */
const SETTLE_TRIES = 10;
const SETTLE_MS = 250;

/**
 * The sockets and the rhythm that a client and a server of the beacon share. A round comes at start, every 5 s, and
 * at once when the links change or the machine wakes; spare links are left out of those that come by themselves. What cannot be opened is tried again each round; nothing
 * here fails for good.
 */
export class Station implements AsyncDisposable {
  readonly #options: StationOptions;
  readonly #onNotice: OnNotice;
  readonly #watch: LinkWatch;
  /** For what is sent, so that it leaves by the right link with its address, and for what is sent to us alone. */
  readonly #sockets: LinkSockets;
  /** For broadcasts, which a socket bound to an address does not get. */
  #listener: UdpSocket | undefined;
  #saidDeaf = false;
  #beats = 0;
  #rounds: Promise<void> = Promise.resolve();
  #started: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;
  #stopBeat: Cancel = () => {};
  #stopSettling: Cancel = () => {};

  constructor(options: StationOptions) {
    this.#options = options;
    this.#onNotice = (notice) => {
      if (!this.#disposed) options.onNotice?.(notice);
    };
    this.#watch = new LinkWatch({
      interfaces: options.interfaces,
      linkLocal: options.linkLocal,
      clock: options.clock,
      read: options.networkInterfaces,
      onEvent: (event) => {
        if (event === 'changed') this.#onNotice({ type: 'links-changed', links: this.#watch.links });
        this.round();
      },
    });
    this.#sockets = new LinkSockets({
      port: options.sendFrom,
      groupPort: options.port,
      onDatagram: (bytes, from, toAll) => this.#received(bytes, from, toAll ? 'port' : 'link'),
      onNotice: this.#onNotice,
      onTraffic: options.onTraffic,
    });
  }

  /** The links as last seen. */
  get links(): readonly Link[] {
    return this.#watch.links;
  }

  /** Resolves after the first round. Never rejects. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  /** Has a round at once; before the start and after disposal there are none. */
  round(why: RoundReason = 'news'): void {
    this.#enqueue(() => this.#round(why));
  }

  #enqueue(round: () => Promise<void>): void {
    if (this.#started && !this.#disposed) this.#rounds = this.#rounds.then(round);
  }

  /** Sends to one peer from the link's address. */
  send(link: Link, bytes: Uint8Array, to: Remote): void {
    this.#sockets.send(link, bytes, to);
  }

  /**
   * Sends to the discovery port of everyone on the link's network. News goes to the network's own broadcast address
   * and to 255.255.255.255, since networks differ in which they pass; the rhythm takes turns, which halves what is
   * said most.
   */
  broadcast(link: Link, bytes: Uint8Array, why: RoundReason): void {
    this.#sockets.broadcast(link, bytes, this.#options.port, why === 'news' ? undefined : this.#beats);
  }

  /** Closes; what was sent has left. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #start(): Promise<void> {
    if (this.#disposed) return;
    this.#watch.start();
    if (this.links.length === 0) this.#onNotice({ type: 'links-changed', links: [] });
    const { clock, random = Math.random } = this.#options;
    this.#stopBeat = beat(clock, random, () => this.round('rhythm'));
    this.#rounds = this.#round('news');
    await this.#rounds;
  }

  async #dispose(): Promise<void> {
    this.#stopBeat();
    this.#stopSettling();
    this.#watch[Symbol.dispose]();
    await this.#rounds;
    await this.#sockets[Symbol.asyncDispose]();
    await this.#listener?.[Symbol.asyncDispose]();
  }

  async #round(why: RoundReason): Promise<void> {
    if (this.#disposed) return;
    // Listening before speaking, so that no answer falls between.
    this.#listener ??= await this.#listen();
    const opened = await this.#sockets.sync(this.links);
    if (this.#disposed) return;
    if (why === 'rhythm') this.#beats += 1;
    for (const link of this.#sockets.links) {
      const isNew = opened.includes(link);
      if (why === 'news' || !link.spare || isNew) this.#options.onRound(link, isNew ? 'news' : why);
    }
    this.#settle(SETTLE_TRIES);
  }

  /** An IPv6 address can be used a second or two after it is there; then we speak by it at once. */
  #settle(tries: number): void {
    this.#stopSettling();
    if (this.#disposed || tries === 0 || !this.#sockets.pending) return;
    const again = async () => {
      const opened = await this.#sockets.sync(this.links);
      if (this.#disposed) return;
      for (const link of opened) this.#options.onRound(link, 'news');
      this.#settle(tries - 1);
    };
    this.#stopSettling = this.#options.clock.after(SETTLE_MS, () => this.#enqueue(again));
  }

  async #listen(): Promise<UdpSocket | undefined> {
    const { port } = this.#options;
    const onDatagram = (bytes: Buffer, from: Remote) => this.#received(bytes, from, 'port');
    try {
      // A later error is about a datagram sent earlier, and nothing is sent from here.
      const listener = await UdpSocket.open({ address: EVERYWHERE, port, onDatagram, onError: () => {} });
      this.#saidDeaf = false;
      return listener;
    } catch (error) {
      // Held by a program that does not share it, as the first ollana's server.
      if (!this.#saidDeaf)
        this.#onNotice({ type: 'listen-failed', address: EVERYWHERE, port, reason: reasonOf(error) });
      this.#saidDeaf = true;
      return undefined;
    }
  }

  #received(bytes: Buffer, from: Remote, by: Heard['by']): void {
    if (this.#disposed) return;
    const datagram = decode(bytes);
    const link = datagram && linkTo(from.address, this.links);
    this.#options.onTraffic?.({
      type: 'datagram',
      by: 'beacon',
      direction: datagram && link ? 'in' : 'dropped',
    });
    if (datagram && link) this.#options.onHeard({ datagram, from, link, by });
  }
}
