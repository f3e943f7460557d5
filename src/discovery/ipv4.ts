import { isIPv4 } from 'node:net';

/** An IPv4 address as an unsigned 32-bit number, or undefined when it is not one in dotted form. */
export function toNumber(address: string): number | undefined {
  if (!isIPv4(address)) return undefined;
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The dotted form of an unsigned 32-bit number. */
export function toAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
}

/** The number of leading one bits of a netmask (`255.255.255.0` -> 24), or undefined when it is not a netmask. */
export function prefixOf(netmask: string): number | undefined {
  const mask = toNumber(netmask);
  if (mask === undefined) return undefined;
  const hosts = ~mask >>> 0;
  // Ones then zeros: the host part plus one is a power of two.
  return (hosts & (hosts + 1)) === 0 ? 32 - Math.round(Math.log2(hosts + 1)) : undefined;
}

/** The host part of a prefix as a mask: 24 -> 0x000000ff. */
export function hostMask(prefix: number): number {
  return prefix === 0 ? 0xffffffff : 2 ** (32 - prefix) - 1;
}
