import { BlockList, isIP } from 'node:net';
import type { Interfaces } from './interfaces.ts';
import { Neighbourhood } from './mdns-near.ts';

/** An address of a connection: with its IPv4 form where it is one mapped into IPv6. Pure. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}

/** The base URL of a server at an address; undefined for what cannot be in one, such as IPv6 with a zone. Pure. */
export function urlAt(address: string, port: number): string | undefined {
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return undefined;
  return new URL(`http://${family === 6 ? `[${address}]` : address}:${port}`).origin;
}

/**
 * What no peer may send us to, on whatever network we are: this machine, the links' own addresses (where clouds keep
 * credentials, 169.254.169.254), multicast, and IPv4 in the clothes of IPv6. A list for each family: Node takes an
 * IPv4 address for one in `::ffff:0:0/96`.
 */
const NEVER = Object.freeze({ ipv4: new BlockList(), ipv6: new BlockList() });
NEVER.ipv4.addSubnet('0.0.0.0', 8);
NEVER.ipv4.addSubnet('127.0.0.0', 8);
NEVER.ipv4.addSubnet('169.254.0.0', 16);
NEVER.ipv4.addSubnet('224.0.0.0', 3);
NEVER.ipv6.addSubnet('::', 96, 'ipv6');
NEVER.ipv6.addSubnet('::ffff:0:0', 96, 'ipv6');
NEVER.ipv6.addSubnet('64:ff9b::', 32, 'ipv6');
NEVER.ipv6.addSubnet('2002::', 16, 'ipv6');
NEVER.ipv6.addSubnet('fe80::', 10, 'ipv6');
NEVER.ipv6.addSubnet('ff00::', 8, 'ipv6');
// The metadata service of one cloud, on a private network of its own.
NEVER.ipv6.addAddress('fd00:ec2::254', 'ipv6');

/**
 * Whether an address that a peer names is another machine on a network of ours (all of them, whatever discovery may
 * use): only there may it send us. Anything else, and any text that is no address, is not. Pure.
 */
export function isNeighbour(address: string, interfaces: Interfaces): boolean {
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return false;
  const kind = family === 6 ? 'ipv6' : 'ipv4';
  if (NEVER[kind].check(address, kind)) return false;
  const near = new Neighbourhood(interfaces, []);
  return near.interfaceTo(address) !== undefined && !ownAddresses(interfaces).check(address, kind);
}

/** All addresses of this machine, those too that somebody put on loopback so that they are on no interface. */
function ownAddresses(interfaces: Interfaces): BlockList {
  const own = new BlockList();
  for (const { address, family } of Object.values(interfaces).flatMap((infos) => infos ?? []))
    own.addAddress(address.replace(/%.*$/, ''), family === 'IPv6' ? 'ipv6' : 'ipv4');
  return own;
}

/**
 * One address of each family by which this machine can be reached, as a server tells them; undefined where there is
 * none. Link-local ones mean nothing without an interface. Pure.
 */
export function reachableAddresses(interfaces: Interfaces): {
  readonly ipv4?: string;
  readonly ipv6?: string;
} {
  const infos = Object.values(interfaces)
    .flatMap((list) => list ?? [])
    .filter(
      ({ address, internal, family }) =>
        !internal &&
        !NEVER[family === 'IPv6' ? 'ipv6' : 'ipv4'].check(address, family === 'IPv6' ? 'ipv6' : 'ipv4'),
    );
  const ipv4 = infos.find(({ family }) => family === 'IPv4')?.address;
  const ipv6 = infos.find(({ family }) => family === 'IPv6')?.address;
  return { ...(ipv4 !== undefined && { ipv4 }), ...(ipv6 !== undefined && { ipv6 }) };
}
