import { createSocket, type Socket } from 'node:dgram';
import { zoneOf } from '../config/host.ts';

/** Where a datagram came from or goes to. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface UdpOptions {
  /** The local address; 0.0.0.0 = all of IPv4, :: = all of IPv6. Link-local IPv6 with its zone. */
  readonly address: string;
  /** 0 = any free one; any other is shared with whoever shares it too. */
  readonly port: number;
  /** IPv6 multicast groups to listen to, and the zone where. */
  readonly listenTo?: { readonly groups: readonly string[]; readonly zone: string } | undefined;
  /** An IPv4 multicast group to listen to, and the addresses of the interfaces where. */
  readonly joins?: { readonly group: string; readonly at: readonly string[] } | undefined;
  /** The address of the interface by which IPv4 multicast leaves; it comes back to us, too. */
  readonly speaksFrom?: string | undefined;
  /** Must not throw. */
  readonly onDatagram: (bytes: Buffer, from: Remote) => void;
  /** Errors after the socket was bound, such as an ICMP answer to an earlier datagram. Must not throw. */
  readonly onError: (error: unknown) => void;
}

/**
 * A socket, not yet bound, for a library that reads whatever arrives. Once the library listens, `screen` puts itself
 * between: it gets each datagram with a function that hands it on to the library. `screen` must not throw.
 */
export function screenedSocket(family: 'IPv4' | 'IPv6'): {
  readonly socket: Socket;
  readonly screen: (screen: (bytes: Buffer, from: Remote, handOn: () => void) => void) => void;
} {
  const socket = createSocket({ type: family === 'IPv4' ? 'udp4' : 'udp6', reuseAddr: true });
  return {
    socket,
    screen(screen) {
      const listeners = socket.listeners('message');
      socket.removeAllListeners('message');
      socket.on('message', (bytes, from) =>
        screen(bytes, from, () => {
          for (const listener of listeners) listener.call(socket, bytes, from);
        }),
      );
    },
  };
}

/** A socket that may broadcast, or send to groups of its zone. Sending never throws; nothing is reported after disposal. */
export class UdpSocket implements AsyncDisposable {
  readonly #socket: Socket;
  #closed: Promise<void> | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Binds. Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, EACCES). */
  static open({
    address,
    port,
    listenTo,
    joins,
    speaksFrom,
    onDatagram,
    onError,
  }: UdpOptions): Promise<UdpSocket> {
    const family = address.includes(':') ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      // Several ollanas may run on one machine. Not with port 0: Linux could then give the same one to two sockets.
      reuseAddr: port !== 0,
      // Addresses only, so there is nothing to look up; answered at once, a datagram leaves within `send`.
      lookup: (literal, _options, callback) => callback(null, literal, family),
    });
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown) => {
        socket.close();
        reject(error);
      };
      socket.once('error', refuse);
      socket.bind({ address, port, exclusive: true }, () => {
        try {
          if (family === 4) socket.setBroadcast(true);
          else speakIn(socket, zoneOf(address));
          if (speaksFrom !== undefined) socket.setMulticastInterface(speaksFrom);
          for (const local of joins?.at ?? []) socket.addMembership(joins?.group ?? '', local);
          for (const group of listenTo?.groups ?? []) socket.addMembership(group, `::%${listenTo?.zone}`);
        } catch (error) {
          return refuse(error);
        }
        socket.off('error', refuse);
        socket.on('error', onError);
        socket.on('message', (bytes, from) => onDatagram(bytes, from));
        resolve(new UdpSocket(socket));
      });
    });
  }

  /** The local port. */
  get port(): number {
    return this.#socket.address().port;
  }

  /** Sends, and calls `done` once with the error if it failed; after disposal it does nothing. */
  send(bytes: Uint8Array, to: Remote, done: (error: unknown) => void = () => {}): void {
    if (this.#closed) return;
    try {
      this.#socket.send(bytes, to.port, to.address, (error) => done(error ?? undefined));
    } catch (error) {
      done(error);
    }
  }

  /** Closes; what was sent has left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#socket.removeAllListeners('message');
      this.#socket.close(() => resolve());
    });
    await this.#closed;
  }
}

/** What is sent to a group leaves by that zone, goes no farther than the link, and does not come back to us. */
function speakIn(socket: Socket, zone: string | undefined): void {
  if (zone === undefined) return;
  socket.setMulticastInterface(`::%${zone}`);
  socket.setMulticastTTL(1);
  socket.setMulticastLoopback(false);
}
