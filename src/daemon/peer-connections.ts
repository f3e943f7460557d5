import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { RateLimit } from '../discovery/rate-limit.ts';
import { isOwnAddress, type LimitName, type OnLimit } from '../limits.ts';
import { answerRaw } from '../proxy/raw-answer.ts';

/**
 * Connections from one address. Another ollana keeps one for each ticket (256 at most, see `Queues`), some 40 idle ones,
 * and one for each request that runs; people behind one address share it.
 */
export const MAX_PER_PEER = 512;
/** Connections from all other machines together: eight times that, each some 20 kB. */
const MAX_IN_ALL = 4096;
/** Connections that are being told so at one time; those beyond are closed without a word. */
const MAX_TOLD = 64;
/** An address is told as often a second: who opens a thousand reads none of it, and words cost more than closing. */
const TOLD_PER_SECOND = 8;

/**
 * Bounds how many connections other machines have to a face, so that one of them cannot take all. Programs of this
 * machine are not counted. By address: who a device is is known only after its handshake, which is what costs most.
 */
export class PeerConnections {
  readonly #clock: Clock;
  readonly #onLimit: OnLimit;
  readonly #perPeer = new Map<string, number>();
  readonly #toldTo: RateLimit;
  #size = 0;
  #told = 0;

  constructor(clock: Clock, onLimit: OnLimit) {
    this.#clock = clock;
    this.#onLimit = onLimit;
    this.#toldTo = new RateLimit(clock, TOLD_PER_SECOND);
  }

  /** Has a server serve connections only within the limits. Call it last, before the server listens. */
  guard(server: Server): void {
    const serve = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.#admits(socket)) for (const listener of serve) listener.call(server, socket);
    });
  }

  #admits(socket: Socket): boolean {
    const { remoteAddress: peer } = socket;
    if (isOwnAddress(peer)) return true;
    if (peer === undefined) {
      socket.destroy(); // It has gone already.
      return false;
    }
    const own = this.#perPeer.get(peer) ?? 0;
    if (own >= MAX_PER_PEER || this.#size >= MAX_IN_ALL) {
      this.#refuse(socket, peer, own >= MAX_PER_PEER ? 'connections-per-peer' : 'connections');
      return false;
    }
    this.#perPeer.set(peer, own + 1);
    this.#size += 1;
    socket.once('close', () => {
      this.#size -= 1;
      const left = (this.#perPeer.get(peer) ?? 0) - 1;
      if (left > 0) this.#perPeer.set(peer, left);
      else this.#perPeer.delete(peer);
    });
    return true;
  }

  #refuse(socket: Socket, peer: string, limit: LimitName): void {
    this.#onLimit({ type: 'limit-reached', limit, peer });
    if (this.#told >= MAX_TOLD || !this.#toldTo.allow(peer)) return void socket.destroy();
    this.#told += 1;
    socket.once('close', () => {
      this.#told -= 1;
    });
    const whose =
      limit === 'connections' ? `all other machines have ${MAX_IN_ALL}` : `${peer} has ${MAX_PER_PEER}`;
    answerRaw(socket, this.#clock, {
      status: 503,
      code: 'OLLANA_TOO_MANY',
      message: `${whose} connections to this ollana, which is the most: close some, or send requests one after the other`,
      retryAfterS: 2,
    });
  }
}
