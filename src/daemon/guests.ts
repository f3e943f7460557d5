import type { Socket } from 'node:net';
import { peerIdOf } from '../security/dial.ts';

/** The connections that others have made to a face, and which device is at the other end of each. */
export class Guests {
  readonly #sockets = new Map<Socket, string | undefined>();

  /** Takes note of a connection that begins to speak. */
  welcome = (socket: Socket): void => {
    this.#sockets.set(socket, peerIdOf(socket));
    socket.once('close', () => this.#sockets.delete(socket));
  };

  /** The device that has proved itself on a connection; undefined where none has. */
  idOf(socket: Socket): string | undefined {
    return this.#sockets.get(socket);
  }

  /** Cuts every connection whose device and address `mayStay` refuses. */
  review(mayStay: (deviceId: string | undefined, address: string) => boolean): void {
    for (const [socket, deviceId] of [...this.#sockets])
      if (!mayStay(deviceId, socket.remoteAddress ?? '')) socket.destroy();
  }
}
