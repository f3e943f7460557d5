import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OllanaError } from '../errors.ts';
import { answerTls, type Secure, type Unsorted } from './first-byte.ts';
import { type HeaderLimits, headerLimited } from './header-limits.ts';
import { PeerConnections } from './peer-connections.ts';

/** The other family's address that belongs to a default: apps say `localhost` and mean either. */
const TWINS: Readonly<Record<string, string>> = { '127.0.0.1': '::1', '0.0.0.0': '::' };

export interface Face {
  readonly port: number;
  readonly servers: readonly Server[];
  /** Stops accepting and ends idle connections; those in use go on. */
  close(): void;
  /** Ends every connection. */
  cut(): void;
}

/**
 * Listens for HTTP on `host` and, for the default hosts, on the same port of the other family where there is
 * one, and for TLS on the same port if `secure` is given. Port 0 takes a free one. Connections and headers are bounded,
 * and `limits` told of whatever is refused; no time limit is put on requests: a blob upload takes as long as it takes.
 * Rejects with `OLLANA_PORT_IN_USE` or `OLLANA_START_FAILED`.
 */
export async function listen(
  host: string,
  port: number,
  handle: RequestListener,
  limits: HeaderLimits,
  secure?: Secure,
): Promise<Face> {
  const unsorted: Unsorted[] = [];
  const peers = new PeerConnections(limits.clock, limits.onLimit);
  const made = () => {
    const server = headerLimited(handle, limits);
    if (secure) unsorted.push(answerTls(server, secure));
    peers.guard(server);
    return server;
  };
  const first = await open(made(), host, port);
  const { port: bound } = first.address() as AddressInfo;
  const servers = [first];
  const twin = TWINS[host];
  if (twin !== undefined) {
    // A machine without IPv6, or a dual-stack socket that has it already: the first one serves.
    await open(made(), twin, bound, true).then(
      (server) => servers.push(server),
      () => {},
    );
  }
  return {
    port: bound,
    servers,
    close() {
      for (const some of unsorted) some.close();
      for (const server of servers) {
        server.close();
        server.closeIdleConnections();
      }
    },
    cut() {
      for (const some of unsorted) some.cut();
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

function open(server: Server, host: string, port: number, ipv6Only = false): Promise<Server> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(host, port, cause)));
    server.listen({ host, port, ipv6Only }, () => resolve(server));
  });
}

function listenError(host: string, port: number, cause: NodeJS.ErrnoException): OllanaError {
  if (cause.code === 'EADDRINUSE') {
    return new OllanaError(
      'OLLANA_PORT_IN_USE',
      `port ${port} on ${host} is in use; choose another with --port`,
      { cause },
    );
  }
  const remedy =
    cause.code === 'EACCES'
      ? 'choose a port above 1023 with --port'
      : 'name an address of this machine with --host';
  return new OllanaError(
    'OLLANA_START_FAILED',
    `cannot listen on ${host}:${port} (${cause.code ?? cause.message}); ${remedy}`,
    { cause },
  );
}

/** The URL by which this machine's own apps reach a face. Pure. */
export function localUrl(host: string, port: number): string {
  const unspecified = host === '0.0.0.0' || host === '::';
  const address = unspecified ? '127.0.0.1' : host;
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
