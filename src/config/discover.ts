import { isIP, isIPv4 } from 'node:net';
import { parsePort } from './values.ts';

/** Where a resolver listens. */
export interface ResolverAddress {
  /** IPv4 or IPv6 without brackets; IPv6 may have a zone (`fe80::1%eth0`). */
  readonly address: string;
  readonly port: number;
}

/** A name whose DNS records say where servers are. */
export interface DnsPlace {
  /** Lower case, without a trailing dot. */
  readonly name: string;
  /** Absent: the system's resolvers are asked. */
  readonly resolver?: ResolverAddress;
}

const DNS_PORT = 53;
/** RFC 1035: labels of 1 to 63 bytes, 253 in all. Services begin with `_`, which host names do not. */
const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const EXAMPLE = 'dns:_ollama._tcp.gpu.example or dns:ollama.service.consul@127.0.0.1:8600';

/** Whether a text in lower case, without a trailing dot, can be asked for and is no IPv4 address. Pure. */
export function isDnsName(text: string): boolean {
  return NAME.test(text) && !/(^|\.)\d+$/.test(text);
}

/**
 * Reads `dns:NAME[@RESOLVER[:PORT]]`. The name is whole: no search domain is added to it. The resolver is an address,
 * as a name would need a resolver first; IPv6 with a port takes brackets. Throws RangeError saying what would be right.
 */
export function parseDiscover(text: string): DnsPlace {
  const [, rest] = /^dns:(.*)$/i.exec(text) ?? [];
  if (rest === undefined) throw new RangeError(`give a DNS name, such as ${EXAMPLE}`);
  const at = rest.indexOf('@');
  const name = (at < 0 ? rest : rest.slice(0, at)).toLowerCase().replace(/\.$/, '');
  if (!isDnsName(name)) throw new RangeError(`give the whole name in ASCII, such as ${EXAMPLE}`);
  if (at < 0) return { name };
  const resolver = parseResolver(rest.slice(at + 1));
  if (resolver) return { name, resolver };
  throw new RangeError('give the resolver as ADDRESS[:PORT] after the @, such as 127.0.0.1:8600 or [::1]:53');
}

/**
 * Reads `1.2.3.4`, `1.2.3.4:53`, `::1`, `fe80::1%eth0` or `[::1]:53`, as people and Node's `getServers` write it;
 * `localhost` is 127.0.0.1. The port is 53 unless given. Undefined for anything else.
 */
export function parseResolver(text: string): ResolverAddress | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const said = bracketed ?? plain ?? text;
  const address = said.toLowerCase() === 'localhost' ? '127.0.0.1' : said;
  if (isIP(address) === 0 || (bracketed !== undefined && isIPv4(address))) return undefined;
  try {
    return { address, port: digits === undefined ? DNS_PORT : parsePort(digits) };
  } catch {
    return undefined; // A port beyond 65535, or 0; the caller says what would be right.
  }
}
