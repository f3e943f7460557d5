import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { Clock } from '../clock.ts';
import type { KeyAndCertificate } from '../security/self-signed.ts';

/** What it takes to speak TLS on a port that speaks plain HTTP, too. */
export interface Secure {
  readonly clock: Clock;
  /** Asked for when the first TLS connection comes, and again some time after it has thrown. */
  readonly certificate: () => KeyAndCertificate;
  /** Told what `certificate` has thrown: TLS connections are refused for the next `CERTIFICATE_AGAIN_MS`. */
  readonly onFailure: (error: unknown) => void;
  /** Told of each connection that begins to speak HTTP, by TLS or not. */
  readonly onSpeaker?: (socket: Socket) => void;
}

/** How the first record of every TLS connection begins (RFC 8446 section 5.1); no HTTP method does. */
const HANDSHAKE = 0x16;

/** A peer that does not show what it speaks, or does not finish its handshake, is cut off after this, ms. */
export const FIRST_BYTE_MS = 15_000;

/**
 * Connections without a byte at one time. Whoever speaks says something at once, so that a LAN of a thousand laptops
 * has a few of them; of a flood the oldest go.
 */
export const MAX_SILENT = 1024;

/** Between two tries to get a certificate, ms: it takes a look at the disk, and peers set the pace. */
const CERTIFICATE_AGAIN_MS = 10_000;

/** The connections that an HTTP server does not know of, because they have not got as far as HTTP. */
export interface Unsorted {
  /** Ends those that have not said a byte. */
  close(): void;
  /** Ends those, and all that speak TLS. */
  cut(): void;
}

/**
 * Has an HTTP server answer TLS, too, on the same port, told by the first byte of a connection. Its handler sees both
 * kinds alike. Call it before the server listens.
 */
export function answerTls(server: Server, { clock, certificate, onFailure, onSpeaker }: Secure): Unsorted {
  const asHttp = server.listeners('connection');
  const speakHttp = (socket: Socket) => {
    onSpeaker?.(socket);
    for (const listener of asHttp) listener.call(server, socket);
  };
  const silent = new Set<Socket>();
  const secured = new Set<Socket>();
  let handshakes: tls.Server | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;

  const speakTls = (socket: Socket) => {
    if (!handshakes && clock.now() - failedAt < CERTIFICATE_AGAIN_MS) return void socket.destroy();
    try {
      handshakes ??= tlsServer(certificate(), speakHttp);
    } catch (error) {
      failedAt = clock.now();
      socket.destroy();
      return onFailure(error);
    }
    socket.allowHalfOpen = false; // As HTTPS servers have it: one that leaves in its handshake is gone.
    secured.add(socket);
    socket.once('close', () => secured.delete(socket));
    handshakes.emit('connection', socket);
  };

  const sort = (socket: Socket) => {
    const forget = () => {
      silent.delete(socket);
      stop();
      socket.off('data', take).off('end', drop).off('close', forget).off('error', ignore);
    };
    const drop = () => void socket.destroy();
    const take = (first: Buffer) => {
      forget();
      socket.pause();
      socket.unshift(first);
      if (first[0] === HANDSHAKE) return speakTls(socket); // It reads by itself.
      speakHttp(socket);
      socket.resume();
    };
    const stop = clock.after(FIRST_BYTE_MS, drop);
    silent.add(socket);
    socket.on('data', take).on('end', drop).on('close', forget).on('error', ignore);
    const [oldest] = silent;
    if (silent.size > MAX_SILENT) oldest?.destroy();
  };
  server.removeAllListeners('connection');
  server.on('connection', sort);

  const endAll = (sockets: ReadonlySet<Socket>) => {
    for (const socket of [...sockets]) socket.destroy();
  };
  return {
    close: () => endAll(silent),
    cut() {
      endAll(silent);
      endAll(secured);
    },
  };
}

/** A connection that breaks is told of by 'close', too. */
function ignore(): void {}

/** Does the handshakes of connections that are emitted at it; it does not listen. */
function tlsServer(own: KeyAndCertificate, speak: (socket: Socket) => void): tls.Server {
  const options = {
    ...own,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: FIRST_BYTE_MS,
    // Whoever has a certificate shows it; which ones are known is asked with each request.
    requestCert: true,
    rejectUnauthorized: false,
  };
  return tls.createServer(options, speak);
}
