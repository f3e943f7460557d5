import type { Socket } from 'node:net';
import tls, { TLSSocket } from 'node:tls';
import { OllanaError } from '../errors.ts';
import type { OnLimit } from '../limits.ts';
import { deviceIdOf } from './identity.ts';
import type { KeyAndCertificate } from './self-signed.ts';

/** Who is at the other end of a TLS connection, as its certificate has it. */
export interface Peer {
  readonly deviceId: string;
  /** What the certificate calls it, which proves nothing. */
  readonly called: string;
}

/** How an address is dialled. */
export type Dial =
  /** In the clear. */
  | { readonly type: 'plain' }
  /** By TLS, to whom the certificate authorities of this machine vouch for: `https:` URLs. */
  | { readonly type: 'authority' }
  /** By TLS, to a device that is known by its certificate: a paired one, or one that was pinned at first sight. */
  | {
      readonly type: 'tls';
      /** What we show of ourselves; absent: nothing. */
      readonly own?: KeyAndCertificate;
      /** Whom it leads to, if that is known: of kept connections only those that led to the same are used again. */
      readonly to?: string;
      /** Judges whoever answers: why nothing may be said to it, undefined when something may. */
      readonly refuses: (peer: Peer) => OllanaError | undefined;
      /** What every request there carries beside its own headers. */
      readonly headers?: Readonly<Record<string, string>>;
    };

/** Decides how a host (IPv6 without brackets, with its zone) and port of an `http:` URL are dialled. */
export interface DialPlan {
  /** Only devices on a list are spoken to. */
  readonly closed: boolean;
  readonly dial: (host: string, port: number) => Dial;
  /** A connection was begun as `dial` says; who is at its other end is known later: see `peerIdOf`. */
  readonly onSocket: (socket: Socket, host: string, port: number) => void;
  /** Told of servers that say too much; absent: nobody is. */
  readonly onLimit?: OnLimit;
}

/** Dials `http:` URLs in the clear. */
export const PLAIN: DialPlan = { closed: false, dial: () => ({ type: 'plain' }), onSocket: () => {} };

const HTTP1 = { ALPNProtocols: ['http/1.1'] };

/** Dials by TLS to whoever an authority vouches for by this name; an empty one is the host itself. */
export function dialByAuthority(host: string, port: number, servername: string): TLSSocket {
  return tls.connect({ host, port, servername, ...HTTP1 }).setNoDelay(true);
}

/**
 * Dials by TLS 1.3. The other side is judged in the moment the handshake is done, before what was written meanwhile is
 * sent; one that is refused gets nothing, and the socket fails with the reason.
 */
export function dialTls(host: string, port: number, dial: Extract<Dial, { type: 'tls' }>): TLSSocket {
  const socket = tls.connect({
    host,
    port,
    ...(dial.own && { key: dial.own.key, cert: dial.own.cert }),
    minVersion: 'TLSv1.3',
    ...HTTP1,
    // Whoever it is, no authority vouches for it: its certificate itself is what is known.
    rejectUnauthorized: false,
  });
  socket.setNoDelay(true);
  socket.once('secureConnect', () => {
    const peer = peerOf(socket);
    const error = peer ? dial.refuses(peer) : new OllanaError('OLLANA_NOT_PAIRED', 'it shows no certificate');
    if (error) socket.destroy(error);
  });
  return socket;
}

/** The DeviceId that the other side of a connection has proved to be; undefined where it has proved nothing. */
export function peerIdOf(socket: Socket): string | undefined {
  return peerOf(socket)?.deviceId;
}

function peerOf(socket: Socket): Peer | undefined {
  if (!(socket instanceof TLSSocket) || socket.getProtocol() !== 'TLSv1.3') return undefined;
  // Not `getPeerX509Certificate`, which a second time has none in some versions of Node. None at all is `{}`.
  const shown = socket.getPeerCertificate() as { raw?: Buffer; subject?: { CN?: unknown } } | null;
  if (!shown?.raw) return undefined;
  return { deviceId: deviceIdOf(shown.raw), called: String(shown.subject?.CN ?? '') };
}

/** The event by which a connection that is being made is ready to carry a request. */
export function readyEvent(socket: Socket): 'connect' | 'secureConnect' {
  return socket instanceof TLSSocket ? 'secureConnect' : 'connect';
}
