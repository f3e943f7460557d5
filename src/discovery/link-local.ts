import type { NetworkInterfaceInfo } from 'node:os';
import { type Interfaces, isNamed, type Link } from './interfaces.ts';

/*
 * Multicast groups of the beacon on IPv6, where there is no broadcast. `ff12`: of one link, and not assigned by
 * anybody (RFC 4291 2.7); the last 32 bits have the first one set, as RFC 3307 4.3 wants it, and say "LANA" and "LAN6".
 */

/** Everybody listens here; who has IPv4 on an interface, too, finds his like by that and says nothing here. */
const EVERYONE = 'ff12::cc41:4e41';

/** Who has no IPv4 on an interface listens here besides, and the others speak here: they need no IPv6 among them. */
const IPV6_ONLY = 'ff12::cc41:4e36';

/** fe80::/10 */
const LINK_LOCAL = /^fe[89ab][0-9a-f]:/i;

/** Addresses that a host gives itself when nobody gives it one (RFC 3927): as good as no IPv4. */
const SELF_GIVEN = /^169\.254\./;

/** What Node can read as a zone; an interface of another name is left to IPv4. */
const ZONE = /^[0-9a-z.-]+$/i;

/** Each has two sockets, and what is sent to a group reaches half of all of them. */
const MAX_LINKS = 16;

/**
 * The links by which the beacon speaks IPv6: one for each interface with a link-local address, but loopback. An
 * interface that has nothing else is used only where no interface has anything better, or by its name: beside a real
 * network it is our end of a container's cable, or a tunnel. Windows numbers the zones that others name. Pure.
 */
export function linkLocalLinks(
  interfaces: Interfaces,
  only: readonly string[],
  platform: string = process.platform,
): readonly Link[] {
  const outward = Object.entries(interfaces).filter(([, infos = []]) => !infos.some((one) => one.internal));
  const isLonely = !outward.some(([, infos = []]) => infos.some(isGiven));
  return outward
    .flatMap(([name, infos = []]) => {
      const own = infos.find(({ address, family }) => family === 'IPv6' && LINK_LOCAL.test(address));
      const zone = platform === 'win32' ? String(own?.scopeid) : name;
      if (!own || !isNamed(name, only) || !ZONE.test(zone)) return [];
      if (!isLonely && only.length === 0 && !infos.some(isGiven)) return [];
      const spare = infos.some((one) => one.family === 'IPv4' && isGiven(one));
      return {
        interface: name,
        address: `${own.address}%${zone}`,
        prefix: 64,
        broadcast: `${spare ? IPV6_ONLY : EVERYONE}%${zone}`,
        internal: false,
        groups: spare ? [EVERYONE] : [EVERYONE, IPV6_ONLY],
        spare,
        scope: own.scopeid,
      };
    })
    .slice(0, MAX_LINKS);
}

/** Somebody gave it, or a router told how to make it. */
function isGiven({ family, address }: NetworkInterfaceInfo): boolean {
  return family === 'IPv4' ? !SELF_GIVEN.test(address) : !LINK_LOCAL.test(address);
}
