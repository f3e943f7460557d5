import { isIPv4, isIPv6 } from 'node:net';
import { cleanName } from './wire.ts';

/** The port of mDNS (RFC 6762 3). */
export const MDNS_PORT = 5353;

/** The services that are browsed: `ollana` tells its device, `ollama` is a plain one that somebody advertises. */
export type MdnsService = 'ollana' | 'ollama';

/** What one record says. Names are in lower case without the last dot; a time to live of 0 takes back. */
export type MdnsFact =
  | (MdnsInstance & { readonly type: 'pointer'; readonly ttlMs: number })
  | (MdnsInstance & {
      readonly type: 'place';
      readonly ttlMs: number;
      /** 1 to 65535. */
      readonly port: number;
      readonly host: string;
    })
  | (MdnsInstance & {
      readonly type: 'text';
      readonly ttlMs: number;
      /** 64 lower-case hex digits; never for `ollama`. */
      readonly deviceId?: string;
      /** Clean. */
      readonly name?: string;
    })
  | {
      readonly type: 'address';
      readonly ttlMs: number;
      readonly host: string;
      /** IPv4, or IPv6 in its shortest form. */
      readonly address: string;
    };

/** One server of a service. */
export interface MdnsInstance {
  /** The full name that others ask for, e.g. `gpu1._ollana._tcp.local`. */
  readonly instance: string;
  readonly service: MdnsService;
  /** The first label as it was spelled, clean; may be empty. */
  readonly label: string;
}

/** What is asked for. */
export interface MdnsQuestion {
  readonly name: string;
  readonly type: 'PTR' | 'SRV' | 'TXT' | 'A' | 'AAAA';
}

/** The question that all servers answer. */
export const BROWSE: readonly MdnsQuestion[] = Object.freeze([
  { name: '_ollana._tcp.local', type: 'PTR' },
  { name: '_ollama._tcp.local', type: 'PTR' },
]);

/** Records of one response that are looked at; a server's own is of about ten. */
export const MAX_RECORDS = 256;

/** Pairs of one TXT record that are looked at, and the length of one: DNS has a length byte for it. */
const MAX_PAIRS = 32;
const MAX_PAIR_BYTES = 255;

const INSTANCE = /^(.+)\._(ollana|ollama)\._tcp\.local$/is;
const SERVICE = /^_(ollana|ollama)\._tcp\.local$/i;

/** RFC 1035 2.3.4: a label has up to 63 bytes, a name 255, of which the lengths and the root take some. */
const MAX_LABEL_BYTES = 63;
const MAX_NAME_BYTES = 253;

/** What a decoded response says of servers; whatever is not as it should be is left out. Never throws. */
export function factsOf(response: unknown): readonly MdnsFact[] {
  if (!isObject(response) || response.opcode !== 'QUERY' || response.rcode !== 'NOERROR') return [];
  const { answers, additionals } = response;
  return [answers, additionals]
    .flatMap((records) => (Array.isArray(records) ? records.slice(0, MAX_RECORDS) : []))
    .slice(0, MAX_RECORDS)
    .flatMap((record: unknown) => factOf(record) ?? []);
}

/** Whether a name can be asked for: it came from the network, and may hold labels that were never one. */
export function isAskable(name: string): boolean {
  // A line break would make the library take the dot beside it for one at the end, and join two labels.
  if (Buffer.byteLength(name) > MAX_NAME_BYTES || /\p{Cc}/u.test(name)) return false;
  return name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= MAX_LABEL_BYTES);
}

function factOf(record: unknown): MdnsFact | undefined {
  if (!isObject(record)) return undefined;
  const { name, type, ttl, data } = record;
  if (record.class !== 'IN' || typeof name !== 'string' || typeof ttl !== 'number' || !(ttl >= 0))
    return undefined;
  const ttlMs = ttl * 1000;
  switch (type) {
    case 'PTR': {
      const of = SERVICE.test(name) && typeof data === 'string' ? instanceOf(data) : undefined;
      // A pointer of one service to an instance of the other is nobody's.
      return of && name.toLowerCase().startsWith(`_${of.service}.`)
        ? { type: 'pointer', ttlMs, ...of }
        : undefined;
    }
    case 'SRV': {
      const of = instanceOf(name);
      if (!of || !isObject(data)) return undefined;
      const { port, target } = data;
      if (!isPort(port) || typeof target !== 'string' || target === '.' || target === '') return undefined;
      return { type: 'place', ttlMs, ...of, port, host: target.toLowerCase() };
    }
    case 'TXT': {
      const of = instanceOf(name);
      return of && { type: 'text', ttlMs, ...of, ...textOf(data, of.service) };
    }
    case 'A':
    case 'AAAA':
      if (typeof data !== 'string' || !(type === 'A' ? isIPv4(data) : isIPv6(data))) return undefined;
      return { type: 'address', ttlMs, host: name.toLowerCase(), address: canonical(data) };
    default:
      return undefined;
  }
}

function instanceOf(name: string): MdnsInstance | undefined {
  const [, label, service] = INSTANCE.exec(name) ?? [];
  if (label === undefined) return undefined;
  return {
    instance: name.toLowerCase(),
    service: service?.toLowerCase() === 'ollana' ? 'ollana' : 'ollama',
    label: cleanName(label),
  };
}

/** RFC 6763 6.4: `key=value`, keys without regard to case, the first of the same key counts. */
function textOf(data: unknown, service: MdnsService): { deviceId?: string; name?: string } {
  const pairs = new Map<string, string>();
  for (const pair of (Array.isArray(data) ? data : [data]).slice(0, MAX_PAIRS) as readonly unknown[]) {
    if (!Buffer.isBuffer(pair) || pair.length > MAX_PAIR_BYTES) continue;
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(pair.toString('utf8')) ?? [];
    if (key !== undefined && value !== undefined && !pairs.has(key.toLowerCase()))
      pairs.set(key.toLowerCase(), value);
  }
  const id = pairs.get('id') ?? '';
  const name = cleanName(pairs.get('name') ?? '');
  return {
    ...(service === 'ollana' && /^[0-9a-f]{64}$/.test(id) && { deviceId: id }),
    ...(name && { name }),
  };
}

/** One address is written in one way. */
function canonical(address: string): string {
  if (!address.includes(':')) return address;
  return URL.canParse(`http://[${address}]`) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65535;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
