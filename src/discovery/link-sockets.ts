import { zoneOf } from '../config/host.ts';
import { reasonOf } from '../errors.ts';
import { LIMITED_BROADCAST, type Link } from './interfaces.ts';
import type { OnNotice } from './notice.ts';
import type { OnTraffic } from './traffic.ts';
import { type Remote, UdpSocket } from './udp.ts';

export interface LinkSocketsOptions {
  /** Local port of every socket; 0 = any. */
  readonly port: number;
  /** Where groups are listened to. */
  readonly groupPort: number;
  /** `toAll`: it came to a group. What is broadcast on IPv4 does not come here. */
  readonly onDatagram: (bytes: Buffer, from: Remote, toAll: boolean) => void;
  readonly onNotice: OnNotice;
  readonly onTraffic?: OnTraffic | undefined;
}

interface Open {
  readonly link: Link;
  readonly socket: UdpSocket;
  /** Hears the link's groups, which a socket bound to an address does not. */
  readonly ear: UdpSocket | undefined;
}

/**
 * One socket per link, bound to the link's own address. So answers carry the right source, and 255.255.255.255
 * leaves by that link (Linux sends it by the device that has the source address, also without a default route).
 */
export class LinkSockets implements AsyncDisposable {
  readonly #options: LinkSocketsOptions;
  readonly #sockets = new Map<string, Open>();
  /** Interface -> what fails there now: binding to an address, or a broadcast address. */
  readonly #failing = new Map<string, Set<string>>();
  #busy: Promise<readonly Link[]> = Promise.resolve([]);
  #pending = false;
  #disposed = false;

  constructor(options: LinkSocketsOptions) {
    this.#options = options;
  }

  /** The links that have a socket. */
  get links(): readonly Link[] {
    return [...this.#sockets.values()].map(({ link }) => link);
  }

  /** Whether an IPv6 address is still looked at by the system whether nobody else has it (RFC 4862 5.4). */
  get pending(): boolean {
    return this.#pending;
  }

  /**
   * Opens and closes sockets until there is one for each of the links, as far as the system lets; gives those that
   * are new. Never rejects.
   */
  sync(links: readonly Link[]): Promise<readonly Link[]> {
    this.#busy = this.#busy.then(() => this.#sync(links));
    return this.#busy;
  }

  /** Sends to one peer from the link's address. That it cannot be reached is its own affair. */
  send(link: Link, bytes: Uint8Array, to: Remote): void {
    this.#send(link, bytes, to);
  }

  /** Sends to everyone on the link's network: by every address that means all, or with `turn` by one of them in turn. */
  broadcast(link: Link, bytes: Uint8Array, port: number, turn?: number): void {
    // On loopback everyone hears the directed one, and the limited one could leave the machine.
    const directedOnly = link.internal || link.groups !== undefined;
    const all = [...new Set(directedOnly ? [link.broadcast] : [link.broadcast, LIMITED_BROADCAST])];
    const addresses = turn === undefined ? all : all.slice(turn % all.length).slice(0, 1);
    for (const address of addresses) {
      const done = (error: unknown) => this.#note(link, address, error);
      this.#send(link, bytes, { address, port }, done);
    }
  }

  #send(link: Link, bytes: Uint8Array, to: Remote, done?: (error: unknown) => void): void {
    const open = this.#sockets.get(keyOf(link));
    if (!open) return;
    open.socket.send(bytes, to, done);
    this.#options.onTraffic?.({ type: 'datagram', by: 'beacon', direction: 'out' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.sync([]);
  }

  async #sync(links: readonly Link[]): Promise<readonly Link[]> {
    const wanted = new Map((this.#disposed ? [] : links).map((link) => [keyOf(link), link]));
    for (const [key, { link, socket, ear }] of this.#sockets) {
      if (wanted.has(key)) continue;
      this.#sockets.delete(key);
      this.#failing.delete(link.interface); // What comes back under that name is news.
      await socket[Symbol.asyncDispose]();
      await ear?.[Symbol.asyncDispose]();
    }
    this.#pending = false;
    const opened: Link[] = [];
    for (const [key, link] of wanted)
      if (!this.#sockets.has(key) && (await this.#open(key, link))) opened.push(link);
    return opened;
  }

  /** Returns whether it is open. */
  async #open(key: string, link: Link): Promise<boolean> {
    const { port, onDatagram, onNotice } = this.#options;
    const { address } = link;
    const onError = () => {}; // About one earlier datagram; the next round tells whether sending works.
    let ear: UdpSocket | undefined;
    try {
      ear = await this.#listen(link);
      const take = (bytes: Buffer, from: Remote) => onDatagram(bytes, from, false);
      const socket = await UdpSocket.open({ address, port, onDatagram: take, onError });
      this.#sockets.set(key, { link, socket, ear });
      this.#fault(link.interface, address, false);
      return true;
    } catch (error) {
      await ear?.[Symbol.asyncDispose]();
      if (link.groups && (error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL') this.#pending = true;
      else if (!link.spare && this.#fault(link.interface, address, true))
        onNotice({ type: 'listen-failed', address, port, reason: reasonOf(error) });
      return false;
    }
  }

  /** One for each link: what the system lets a socket hear by one interface, it lets it hear by all. */
  async #listen({ address, groups }: Link): Promise<UdpSocket | undefined> {
    const zone = zoneOf(address);
    if (!groups || zone === undefined) return undefined;
    const { groupPort: port, onDatagram } = this.#options;
    const take = (bytes: Buffer, from: Remote) => {
      if (zoneOf(from.address) === zone) onDatagram(bytes, from, true);
    };
    const listenTo = { groups, zone };
    return UdpSocket.open({ address: '::', port, listenTo, onDatagram: take, onError: () => {} });
  }

  #note(link: Link, destination: string, error: unknown): void {
    // Where IPv4 does the work nobody needs to know that IPv6 does not.
    if (this.#disposed || link.spare) return;
    if (!this.#fault(link.interface, destination, error !== undefined)) return;
    this.#options.onNotice({ type: 'send-failed', interface: link.interface, reason: reasonOf(error) });
  }

  /** Notes whether something about an interface fails, and returns whether that is its first trouble. */
  #fault(name: string, what: string, fails: boolean): boolean {
    const failing = this.#failing.get(name);
    if (fails) this.#failing.set(name, (failing ?? new Set()).add(what));
    else if (failing?.delete(what) && failing.size === 0) this.#failing.delete(name);
    return fails && !failing;
  }
}

function keyOf(link: Link): string {
  return JSON.stringify(link);
}
