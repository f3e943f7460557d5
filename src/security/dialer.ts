import type { Socket } from 'node:net';
import { addressOf } from '../config/host.ts';
import { OllanaError } from '../errors.ts';
import type { OnLimit } from '../limits.ts';
import { type Dial, type DialPlan, type Peer, peerIdOf } from './dial.ts';
import type { OwnIdentity } from './identity.ts';
import type { Trust } from './trust.ts';

export interface DialerOptions {
  /** What paired devices are shown of us; absent: nothing. */
  readonly own?: OwnIdentity;
  /** Absent: everybody is trusted. */
  readonly trust?: Pick<Trust, 'closed' | 'isPaired'>;
  /** Base URLs that are dialled in the clear whatever is required: this machine's own Ollama. */
  readonly exempt?: readonly string[];
  /** Told of servers that say too much. */
  readonly onLimit?: OnLimit;
}

/** What the fleet asks about a server before it is used. */
export interface Acquaintance {
  readonly url: string;
  readonly deviceId: string;
  /** It has shown by its key that the id is its own. */
  readonly proven: boolean;
}

/** Whom we use at an address, once it has proved who it is. */
export interface Pin {
  readonly deviceId: string;
  /** What every request to it carries, and to nobody else. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Whoever answered is not on the list of paired devices; nothing was said to it. */
export class Stranger extends OllanaError {
  readonly peer: Peer;

  constructor(peer: Peer) {
    super('OLLANA_NOT_PAIRED', `the device there is not paired (id ${peer.deviceId})`);
    this.peer = peer;
  }
}

const IN_THE_CLEAR: Dial = { type: 'plain' };
const EVERYBODY = { closed: false, isPaired: () => true };

/**
 * How this installation dials others. While pairing is required that is by TLS, with our certificate, to paired devices
 * and to nobody else, and where an address is known to be a device's, to that one. Else in the clear, but for those
 * that speak TLS only (servers of the ollana in Rust): these are dialled by TLS, to the certificate seen first. What
 * does not fit any more is cut by `review`.
 */
export class Dialer implements DialPlan {
  readonly #own: OwnIdentity | undefined;
  readonly #trust: Pick<Trust, 'closed' | 'isPaired'>;
  readonly #exempt: ReadonlySet<string>;
  /** Which device is at an address, by `host port`. */
  readonly #pins = new Map<string, Pin>();
  readonly #open = new Map<Socket, string>();
  #onStranger: (isThere: (url: string) => boolean) => void = () => {};

  readonly onLimit: OnLimit;

  constructor({ own, trust = EVERYBODY, exempt = [], onLimit = () => {} }: DialerOptions = {}) {
    this.onLimit = onLimit;
    this.#own = own;
    this.#trust = trust;
    this.#exempt = new Set(exempt.map(placeOf));
  }

  get closed(): boolean {
    return this.#trust.closed;
  }

  dial = (host: string, port: number): Dial => {
    const place = `${host} ${port}`;
    const pin = this.#pins.get(place);
    if (this.#exempt.has(place) || (!this.closed && !pin)) return IN_THE_CLEAR;
    return {
      type: 'tls',
      ...(this.closed && this.#own && { own: this.#own }),
      ...(pin && { to: pin.deviceId, headers: pin.headers ?? {} }),
      refuses: (peer) => this.#refuses(place, pin, peer),
    };
  };

  onSocket = (socket: Socket, host: string, port: number): void => {
    this.#open.set(socket, `${host} ${port}`);
    socket.once('close', () => this.#open.delete(socket));
  };

  /** Whether a server may be used as it is known. One named by https is vouched for by the authority of its name. */
  accepts({ url, deviceId, proven }: Acquaintance): boolean {
    if (!this.closed || url.startsWith('https:') || this.#exempt.has(placeOf(url))) return true;
    return proven && this.#trust.isPaired(deviceId);
  }

  /** From now on nobody but this device is spoken to at an address, and by TLS. */
  pin(url: string, pin: Pin): void {
    this.#pins.set(placeOf(url), pin);
  }

  /** Whoever answers there next is anybody, among those that may be spoken to. */
  unpin(url: string): void {
    this.#pins.delete(placeOf(url));
  }

  /** Has `listener` told when another device answers at an address than the paired one that it was pinned to. */
  onStranger(listener: (isThere: (url: string) => boolean) => void): void {
    this.#onStranger = listener;
  }

  /** Cuts the connections that would not be made any more. */
  review(): void {
    if (!this.closed) return;
    for (const [socket, place] of [...this.#open]) {
      if (this.#exempt.has(place)) continue;
      const deviceId = peerIdOf(socket);
      if (deviceId === undefined || !this.#trust.isPaired(deviceId))
        socket.destroy(
          new OllanaError('OLLANA_NOT_PAIRED', 'the device at its other end is not paired any more'),
        );
    }
  }

  #refuses(place: string, pin: Pin | undefined, peer: Peer): OllanaError | undefined {
    if (pin !== undefined && pin.deviceId !== peer.deviceId) {
      // Without a list the first certificate is all that is known, and whoever comes with another is not asked.
      if (!this.closed)
        return new OllanaError(
          'OLLANA_DIAL_FAILED',
          'it shows another certificate than when it was first seen; if its ollana was installed anew, restart this one',
        );
      this.#onStranger((url) => placeOf(url) === place);
      return new OllanaError('OLLANA_DIAL_FAILED', 'another device answers there');
    }
    return this.closed && !this.#trust.isPaired(peer.deviceId) ? new Stranger(peer) : undefined;
  }
}

function placeOf(url: string): string {
  const { protocol, hostname, port } = addressOf(url);
  return `${hostname} ${port || (protocol === 'https:' ? 443 : 80)}`;
}
