/** The host of a URL, IPv6 without brackets, with its zone. Throws TypeError for what is no URL. Pure. */
export function hostOf(url: string): string {
  return addressOf(url).hostname;
}

/** Where a URL leads. */
export interface UrlAddress {
  /** With the colon. */
  readonly protocol: string;
  /** What to connect to: IPv6 without brackets, with its zone. */
  readonly hostname: string;
  /** Empty for the protocol's own. */
  readonly port: string;
  /** What a Host header says: a zone is nobody else's business (RFC 6874 4, kept by RFC 9844). */
  readonly host: string;
  /** What people read: `host` with the zone. */
  readonly shown: string;
  /** Path and query, at least `/`. */
  readonly path: string;
}

/**
 * A link-local IPv6 address in a URL and its zone, the interface by which it is reached; written as it is for people
 * (RFC 9844), since `URL` knows no zones. The letters are those that Node takes for a zone.
 */
const ZONED = /^(https?:\/\/\[fe[89ab][0-9a-f]:[0-9a-f:]*)%([0-9a-z.-]+)(\].*)$/is;

/** A URL without its zone, which `URL` takes, and the zone. Pure. */
export function splitZone(url: string): { readonly bare: string; readonly zone?: string } {
  const [, before, zone, after] = url.includes('%') ? (ZONED.exec(url) ?? []) : [];
  return zone === undefined ? { bare: url } : { bare: `${before}${after}`, zone };
}

/** The address in a URL, which may have a zone: `http://[fe80::1%eth0]:11435`. Throws TypeError for no URL. Pure. */
export function addressOf(url: string): UrlAddress {
  const { bare, zone } = splitZone(url);
  const { protocol, hostname, port, host, pathname, search } = new URL(bare);
  const zoned = (text: string) => (zone ? text.replace(']', `%${zone}]`) : text);
  return {
    protocol,
    hostname: unbracketed(zoned(hostname)),
    port,
    host,
    shown: zoned(host),
    path: `${pathname}${search}`,
  };
}

/**
 * What `http.request` and `https.request` need to reach a URL, which may have a zone, through an agent that takes both
 * protocols. Throws TypeError for what is no URL. Pure.
 */
export function requestTo(url: string): {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  readonly path: string;
  readonly headers: { readonly host: string };
} {
  const { protocol, hostname, port, host, path } = addressOf(url);
  const explicit = port || (protocol === 'https:' ? '443' : '80');
  return { protocol, hostname, port: explicit, path, headers: { host } };
}

/** The zone of an address, `eth0` of `fe80::1%eth0`; undefined where there is none. Pure. */
export function zoneOf(address: string): string | undefined {
  const at = address.indexOf('%');
  return at < 0 ? undefined : address.slice(at + 1);
}

/** An address as a URL has it: IPv6 in brackets. Pure. */
export function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** An address as it is, without the brackets that IPv6 has in URLs. Pure. */
export function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** Whether a host, without brackets, is this machine by its loopback network. Pure. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.[\d.]+$/.test(host);
}
