import { reasonOf } from '../errors.ts';
import { LIMITED_BROADCAST, type Link } from './interfaces.ts';
import type { OnNotice } from './notice.ts';
import { type Remote, UdpSocket } from './udp.ts';

export interface LinkSocketsOptions {
  /** Local port of every socket; 0 = any. */
  readonly port: number;
  readonly onDatagram: (bytes: Buffer, from: Remote) => void;
  readonly onNotice: OnNotice;
}

/**
 * One socket per link, bound to the link's own address. So answers carry the right source, and 255.255.255.255
 * leaves by that link (Linux sends it by the device that has the source address, also without a default route).
 */
export class LinkSockets implements AsyncDisposable {
  readonly #options: LinkSocketsOptions;
  readonly #sockets = new Map<string, { readonly link: Link; readonly socket: UdpSocket }>();
  /** Interface -> what fails there now: binding, or a broadcast address. */
  readonly #failing = new Map<string, Set<string>>();
  #busy: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(options: LinkSocketsOptions) {
    this.#options = options;
  }

  /** The links that have a socket. */
  get links(): readonly Link[] {
    return [...this.#sockets.values()].map(({ link }) => link);
  }

  /** Opens and closes sockets until there is one for each of the links, as far as the system lets. Never rejects. */
  sync(links: readonly Link[]): Promise<void> {
    this.#busy = this.#busy.then(() => this.#sync(links));
    return this.#busy;
  }

  /** Sends to one peer from the link's address. That it cannot be reached is its own affair. */
  send(link: Link, bytes: Uint8Array, to: Remote): void {
    this.#sockets.get(keyOf(link))?.socket.send(bytes, to);
  }

  /** Sends to everyone on the link's network. */
  broadcast(link: Link, bytes: Uint8Array, port: number): void {
    // On loopback everyone hears the directed one, and the limited one could leave the machine.
    const addresses = new Set(link.internal ? [link.broadcast] : [link.broadcast, LIMITED_BROADCAST]);
    for (const address of addresses) {
      const done = (error: unknown) => this.#note(link.interface, address, error);
      this.#sockets.get(keyOf(link))?.socket.send(bytes, { address, port }, done);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.sync([]);
  }

  async #sync(links: readonly Link[]): Promise<void> {
    const wanted = new Map((this.#disposed ? [] : links).map((link) => [keyOf(link), link]));
    for (const [key, { link, socket }] of this.#sockets) {
      if (wanted.has(key)) continue;
      this.#sockets.delete(key);
      this.#failing.delete(link.interface); // What comes back under that name is news.
      await socket[Symbol.asyncDispose]();
    }
    for (const [key, link] of wanted) if (!this.#sockets.has(key)) await this.#open(key, link);
  }

  async #open(key: string, link: Link): Promise<void> {
    const { port, onDatagram, onNotice } = this.#options;
    try {
      const onError = () => {}; // About one earlier datagram; the next round tells whether sending works.
      const socket = await UdpSocket.open({ address: link.address, port, onDatagram, onError });
      this.#sockets.set(key, { link, socket });
      this.#fault(link.interface, 'bind', false);
    } catch (error) {
      if (this.#fault(link.interface, 'bind', true))
        onNotice({ type: 'listen-failed', address: link.address, port, reason: reasonOf(error) });
    }
  }

  #note(name: string, destination: string, error: unknown): void {
    if (this.#disposed || !this.#fault(name, destination, error !== undefined)) return;
    this.#options.onNotice({ type: 'send-failed', interface: name, reason: reasonOf(error) });
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
