import { BlockList, isIP } from 'node:net';

/** Names and addresses of this machine, for judging a Host header. */
export interface OwnNames {
  readonly hostname: string;
  /** Addresses of this machine's interfaces. */
  readonly addresses: ReadonlySet<string>;
  /** Names the user gave this machine. */
  readonly names: readonly string[];
}

const PRIVATE = new BlockList();
PRIVATE.addSubnet('127.0.0.0', 8);
PRIVATE.addSubnet('10.0.0.0', 8);
PRIVATE.addSubnet('172.16.0.0', 12);
PRIVATE.addSubnet('192.168.0.0', 16);
PRIVATE.addAddress('0.0.0.0');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addAddress('::', 'ipv6');

/** Suffixes that the public DNS cannot resolve, so that no foreign page can own such a name. */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal'];

/**
 * Whether a Host header may reach us: the rule by which Ollama tells DNS rebinding (server/routes.go:
 * allowedHostsMiddleware). A literal address cannot be rebound and passes when it is private or our own; a
 * name passes when nobody outside can own it. Pure.
 */
export function isAllowedHost(header: string | undefined, own: OwnNames): boolean {
  const host = hostOf(header ?? '').toLowerCase();
  const family = isIP(host);
  // What nearly every request of this machine's apps says, without the 10 us of a lookup in the list.
  if (family === 4 && host.startsWith('127.')) return true;
  if (family !== 0) {
    return PRIVATE.check(host, family === 6 ? 'ipv6' : 'ipv4') || own.addresses.has(host);
  }
  if (host === '' || host === 'localhost') return true;
  if ([own.hostname, ...own.names].some((name) => name.toLowerCase() === host)) return true;
  return LOCAL_SUFFIXES.some((suffix) => host.endsWith(suffix));
}

/** The host in a Host header, without port and brackets. */
function hostOf(header: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(header);
  if (bracketed) return bracketed[1] ?? '';
  // A port is digits: of `127.0.0.1:1@b.example` somebody else may read another host.
  const [, plain = header] = /^([^:]*):\d*$/.exec(header) ?? [];
  return plain;
}
