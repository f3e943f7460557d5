import { isIPv4 } from 'node:net';
import { type Interfaces, isNamed } from './interfaces.ts';

/** A network card by which a machine can be woken, and the IPv4 address it has. */
export interface WakeCard {
  /** Six pairs of lower-case hex digits, `00:11:22:aa:bb:cc`. */
  readonly mac: string;
  readonly address: string;
}

/** Where network cards listen for the packet, by custom ("discard"): any port does, as they look for its content. */
export const WAKE_PORT = 9;

/** Machines have a few; a hostile peer gets no further. */
const MAX_CARDS = 8;

/**
 * The packet that wakes a machine: six bytes FF, then its MAC sixteen times (AMD, "Magic Packet Technology", 1995).
 * Throws RangeError when `mac` is none that a single card can have. Pure.
 */
export function magicPacket(mac: string): Buffer {
  if (!isCardMac(mac)) throw new RangeError(`"${mac}": not the MAC of a network card`);
  const card = Buffer.from(mac.replaceAll(':', ''), 'hex');
  return Buffer.concat([Buffer.alloc(6, 0xff), ...Array.from({ length: 16 }, () => card)]);
}

/**
 * The cards by which this machine is reached: all with an IPv4 address that are no loopback, of the interfaces `only`
 * if any are named, and with the address `host` unless that is undefined. Pure.
 */
export function wakeCards(
  interfaces: Interfaces,
  only: readonly string[],
  host: string | undefined,
): readonly WakeCard[] {
  return Object.entries(interfaces)
    .filter(([name]) => isNamed(name, only))
    .flatMap(([, infos = []]) => infos)
    .filter(({ family, internal, mac }) => family === 'IPv4' && !internal && isCardMac(mac))
    .filter(({ address }) => host === undefined || address === host)
    .map(({ mac, address }) => ({ mac: mac.toLowerCase(), address }))
    .slice(0, MAX_CARDS);
}

/** The cards that a peer or a file tells of, as far as they make sense. Never throws. Pure. */
export function readWakeCards(value: unknown): readonly WakeCard[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_CARDS).flatMap((one: unknown): WakeCard[] => {
    const { mac, address } = (one ?? {}) as Record<string, unknown>;
    if (typeof mac !== 'string' || typeof address !== 'string') return [];
    return isCardMac(mac) && isIPv4(address) ? [{ mac: mac.toLowerCase(), address }] : [];
  });
}

/** Not the zeros of loopback and tunnels, and no group: a packet to that would wake whoever listens. */
function isCardMac(mac: string): boolean {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac) || /^[0:]+$/.test(mac)) return false;
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
}
