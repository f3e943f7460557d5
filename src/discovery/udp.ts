import { createSocket, type Socket } from 'node:dgram';

/** Where a datagram came from or goes to. */
export interface Remote {
  readonly address: string;
  readonly port: number;
}

export interface UdpOptions {
  /** The local IPv4 address; 0.0.0.0 = all. */
  readonly address: string;
  /** 0 = any free one; any other is shared with whoever shares it too. */
  readonly port: number;
  /** Must not throw. */
  readonly onDatagram: (bytes: Buffer, from: Remote) => void;
  /** Errors after the socket was bound, such as an ICMP answer to an earlier datagram. Must not throw. */
  readonly onError: (error: unknown) => void;
}

/** An IPv4 socket that may broadcast. Sending never throws; nothing is reported after disposal. */
export class UdpSocket implements AsyncDisposable {
  readonly #socket: Socket;
  #closed: Promise<void> | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Binds. Rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, EACCES). */
  static open({ address, port, onDatagram, onError }: UdpOptions): Promise<UdpSocket> {
    const socket = createSocket({
      type: 'udp4',
      // Several ollanas may run on one machine. Not with port 0: Linux could then give the same one to two sockets.
      reuseAddr: port !== 0,
      // Addresses only, so there is nothing to look up; answered at once, a datagram leaves within `send`.
      lookup: (literal, _options, callback) => callback(null, literal, 4),
    });
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown) => {
        socket.close();
        reject(error);
      };
      socket.once('error', refuse);
      socket.bind({ address, port, exclusive: true }, () => {
        socket.off('error', refuse);
        socket.on('error', onError);
        socket.on('message', (bytes, from) => onDatagram(bytes, from));
        socket.setBroadcast(true);
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
