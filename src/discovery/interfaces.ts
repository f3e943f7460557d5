import type { NetworkInterfaceInfo } from 'node:os';
import { zoneOf } from '../config/host.ts';
import { hostMask, prefixOf, toAddress, toNumber } from './ipv4.ts';

/** One address of this machine and the network it is on: where discovery speaks. IPv4, or link-local IPv6. */
export interface Link {
  /** Name of the interface as the system has it, e.g. `eth0`. */
  readonly interface: string;
  /** IPv6 with its zone, `fe80::1%eth0`. */
  readonly address: string;
  /** Network bits, 0 to 32; 64 for IPv6. */
  readonly prefix: number;
  /** Directed broadcast; 255.255.255.255 where there is none to use. For IPv6 a multicast group with its zone. */
  readonly broadcast: string;
  /** The loopback network of this machine. */
  readonly internal: boolean;
  /** Multicast groups that are listened to; IPv6 only. */
  readonly groups?: readonly string[];
  /** The interface has IPv4, too, which does the work: here only news is said. IPv6 only. */
  readonly spare?: boolean;
  /** Another number is another interface, though its name may be the same. IPv6 only. */
  readonly scope?: number | undefined;
}

/** The shape of `os.networkInterfaces()`. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Goes to every host of one network, whatever its prefix; a router never passes it on. */
export const LIMITED_BROADCAST = '255.255.255.255';

/** A machine with more networks than this (a host of many containers) speaks on the first ones. */
const MAX_LINKS = 64;

/**
 * The directed broadcast address of `192.168.1.5/24`, or of an address and its netmask. Networks of one or two
 * addresses (/32, /31) have none: 255.255.255.255. Throws RangeError when the text is no such thing.
 */
export function broadcastAddress(cidrOrAddress: string, netmask?: string): string {
  const [address = '', bits] = cidrOrAddress.split('/');
  const number = toNumber(address);
  const prefix = netmask === undefined ? prefixOfBits(bits) : prefixOf(netmask);
  if (number === undefined || prefix === undefined)
    throw new RangeError(`"${cidrOrAddress}" ${netmask ?? ''}: not an IPv4 network such as 192.168.1.5/24`);
  return prefix > 30 ? LIMITED_BROADCAST : toAddress((number | hostMask(prefix)) >>> 0);
}

/**
 * The IPv4 links that discovery may use: all that are up, tunnels and bridges too. With `only`, those of the named interfaces; an alias (`eth0:1`) goes with
 * its interface. Loopback comes first, and only as 127.0.0.0/8: other addresses found there (WSL puts a DNS
 * server on one) are no network to speak on.
 */
export function usableLinks(interfaces: Interfaces, only: readonly string[]): readonly Link[] {
  const all = Object.entries(interfaces).flatMap(([name, infos = []]) =>
    infos.flatMap((info) => linkOf(name, info) ?? []),
  );
  const [allowed, others] = [
    all.filter((link) => isNamed(link.interface, only)),
    all.filter((link) => !isNamed(link.interface, only)),
  ];
  return allowed
    .map((link) => (isShared(link, others) ? { ...link, broadcast: LIMITED_BROADCAST } : link))
    .sort((a, b) => Number(b.internal) - Number(a.internal))
    .slice(0, MAX_LINKS);
}

/** The link on whose network an address is, or undefined: then it came through a router, or is forged. */
export function linkTo(address: string, links: readonly Link[]): Link | undefined {
  const zone = zoneOf(address);
  // The system tells the zone of what is link-local, and of nothing else.
  if (zone !== undefined) return links.find((link) => zoneOf(link.address) === zone);
  const number = toNumber(address);
  if (number === undefined) return undefined;
  return links.find((link) => {
    const hosts = hostMask(link.prefix);
    const ours = toNumber(link.address) ?? 0;
    if ((number | hosts) !== (ours | hosts)) return false;
    // The first and last address of a network are nobody's.
    return link.prefix > 30 || ((number & hosts) !== 0 && (number & hosts) >>> 0 !== hosts);
  });
}

/** Whether an address is on the network of one of the links. */
export function onLink(address: string, links: readonly Link[]): boolean {
  return linkTo(address, links) !== undefined;
}

function linkOf(name: string, info: NetworkInterfaceInfo): Link | undefined {
  const { address, netmask, internal } = info;
  const prefix = prefixOf(netmask);
  // A prefix of 0 is a tunnel that claims the whole world.
  if (info.family !== 'IPv4' || !prefix || toNumber(address) === undefined) return undefined;
  if (internal && !address.startsWith('127.')) return undefined;
  return { interface: name, address, prefix, broadcast: broadcastAddress(address, netmask), internal };
}

/** Whether an interface, or the one of which it is an alias, is among the named ones, if there are any. */
export function isNamed(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.includes(name) || only.includes(name.replace(/:.*$/, ''));
}

/** The system would send the directed broadcast of a network it has two interfaces on through either. */
function isShared(link: Link, others: readonly Link[]): boolean {
  return others.some((other) => other.broadcast === link.broadcast);
}

function prefixOfBits(bits: string | undefined): number | undefined {
  return bits !== undefined && /^\d{1,2}$/.test(bits) && Number(bits) <= 32 ? Number(bits) : undefined;
}
