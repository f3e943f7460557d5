import { BlockList, isIPv6 } from 'node:net';
import { type Interfaces, type Link, linkTo, usableLinks } from './interfaces.ts';

/** Where one mDNS socket speaks and listens. */
export interface MdnsPlace {
  /** Name of the interface as the system has it, e.g. `eth0`. */
  readonly interface: string;
  readonly family: 'IPv4' | 'IPv6';
  /** What selects the interface: its IPv4 address, or `::%` and its IPv6 zone. */
  readonly address: string;
}

/** Interfaces that are spoken on: each has a socket a family, and a packet reaches all sockets of its family. */
const MAX_INTERFACES = 16;

/** IPv4 in the form of IPv6 (RFC 4291 2.5.5.2) would be held against the IPv4 rules of no one. */
const MAPPED = /^::ffff:/i;

/** A link-local IPv6 address, fe80::/10: only the beacon's is used, who says it may not know our zones. */
const LINK_LOCAL = /^fe[89ab][0-9a-f]:/i;

/** The networks this machine is on by the interfaces that discovery may use, both families. */
export class Neighbourhood {
  /** Every interface with an address that a URL can name, and how it is spoken on. */
  readonly places: readonly MdnsPlace[];
  /** Interface -> addresses that URLs can name; in the order of the system. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  readonly #links: readonly Link[];
  /** Interface -> its IPv6 networks. */
  readonly #networks = new Map<string, BlockList>();
  /** IPv6 zone -> interface. */
  readonly #zones = new Map<string, string>();
  readonly #own = new Set<string>();

  /** `only` names the interfaces that may be used; empty = all. Windows numbers the zones that others name. */
  constructor(interfaces: Interfaces, only: readonly string[], platform: string = process.platform) {
    this.#links = usableLinks(interfaces, only);
    const addresses = new Map<string, string[]>();
    const note = (name: string, address: string) => {
      this.#own.add(address);
      addresses.set(name, [...(addresses.get(name) ?? []), address]);
    };
    for (const link of this.#links) note(link.interface, link.address);
    const loopback = new Set(this.#links.filter(({ internal }) => internal).map((link) => link.interface));
    const zones: [name: string, zone: string][] = [];
    for (const [name, infos = []] of Object.entries(interfaces)) {
      if (only.length > 0 && !only.includes(name)) continue;
      for (const { family, address, cidr, scopeid, internal } of infos) {
        const prefix = Number(cidr?.split('/')[1]);
        // A prefix of 0 is a tunnel that claims the whole world.
        if (family !== 'IPv6' || !(prefix > 0) || MAPPED.test(address)) continue;
        if (LINK_LOCAL.test(address)) {
          if (!internal) zones.push([name, platform === 'win32' ? String(scopeid) : name]);
          continue;
        }
        const networks = this.#networks.get(name) ?? new BlockList();
        networks.addSubnet(address, prefix, 'ipv6');
        this.#networks.set(name, networks);
        note(name, address);
      }
    }
    const names = [...addresses.keys()].slice(0, MAX_INTERFACES);
    this.addresses = new Map(names.map((name) => [name, addresses.get(name) ?? []]));
    for (const [name, zone] of zones) if (names.includes(name)) this.#zones.set(zone, name);
    this.places = [
      ...names.flatMap((name) => {
        const link = this.#links.find((one) => one.interface === name);
        return link ? [{ interface: name, family: 'IPv4', address: link.address } as const] : [];
      }),
      ...[...this.#zones]
        .filter(([, name]) => !loopback.has(name))
        .map(([zone, name]) => ({ interface: name, family: 'IPv6', address: `::%${zone}` }) as const),
    ];
  }

  /** The interface on whose network an address is, with or without its zone; undefined: it came from farther. */
  interfaceTo(address: string): string | undefined {
    const [plain = '', zone] = address.split('%');
    if (!isIPv6(plain)) return linkTo(address, this.#links)?.interface;
    if (MAPPED.test(plain)) return undefined;
    if (LINK_LOCAL.test(plain)) return zone === undefined ? undefined : this.#zones.get(zone);
    for (const [name, networks] of this.#networks) if (networks.check(plain, 'ipv6')) return name;
    return undefined;
  }

  /** Whether an address is this machine's. */
  isHere(address: string): boolean {
    return address.startsWith('127.') || address === '::1' || this.#own.has(address);
  }

  /**
   * Whether a server may be said to be at an address by whoever speaks from another: it must be on one of our
   * networks and sayable in a URL, and nobody else says what runs on this machine.
   */
  mayName(address: string, from: string): boolean {
    if (LINK_LOCAL.test(address) || this.interfaceTo(address) === undefined) return false;
    return !this.isHere(address) || this.isHere(from);
  }
}
