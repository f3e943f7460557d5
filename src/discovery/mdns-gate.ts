import type { Clock } from '../clock.ts';
import type { Neighbourhood } from './mdns-near.ts';
import { MDNS_PORT } from './mdns-records.ts';
import { RateLimit } from './rate-limit.ts';
import type { OnTraffic } from './traffic.ts';
import type { Remote } from './udp.ts';

/** RFC 6762 17: no mDNS packet is longer. */
const MAX_BYTES = 9000;

/** Length of the header, and where its four counts of questions and records begin (RFC 1035 4.1.1). */
const HEADER_BYTES = 12;
const COUNTS_AT = 4;

/** Questions and records of one packet; what a client asks has two, and a list of what it knows already some more. */
const MAX_RECORDS = 100;

/** Packets that are decoded: from one host a client or two, from this machine many. One takes up to 5 ms. */
const PER_SECOND = { remote: 20, here: 60, all: 100 };

/**
 * Questions a second from an address by another port than that of mDNS: tools ask so, and are answered themselves
 * instead of all (RFC 6762 6.7), with more bytes than they sent. So it must not pay to ask in somebody else's name.
 */
const TOOLS_PER_SECOND = 1;

/** What concerns us has our service, our host, or the list of all services in it; most of a network has not. */
const CONCERNS_US = /ollana|_dns-sd/i;

/** Which packets a responder looks at, decided before they are decoded: that costs up to half a second for 64 kB. */
export class MdnsGate {
  readonly #remoteRate: RateLimit;
  readonly #hereRate: RateLimit;
  readonly #allRate: RateLimit;
  readonly #toolRate: RateLimit;

  readonly #onTraffic: OnTraffic | undefined;

  constructor(clock: Clock, onTraffic?: OnTraffic) {
    this.#onTraffic = onTraffic;
    this.#remoteRate = new RateLimit(clock, PER_SECOND.remote);
    this.#hereRate = new RateLimit(clock, PER_SECOND.here);
    this.#allRate = new RateLimit(clock, PER_SECOND.all);
    this.#toolRate = new RateLimit(clock, TOOLS_PER_SECOND);
  }

  /** Whether a packet from somebody that came by an interface is let in, as far as is known of the networks. */
  lets(bytes: Uint8Array, { address: from, port }: Remote, by: string, near: Neighbourhood): boolean {
    if (bytes.length < HEADER_BYTES || bytes.length > MAX_BYTES) return false;
    // RFC 6762 11: from another network it is no mDNS. All sockets get all packets; one of them takes it.
    if (near.interfaceTo(from) !== by) return false;
    // What we say by another interface into the same network is no rival's.
    const here = near.isHere(from);
    if (here && !from.startsWith('127.') && !near.addresses.get(by)?.includes(from)) return false;
    if (recordsOf(bytes) > MAX_RECORDS || !CONCERNS_US.test(Buffer.from(bytes).toString('latin1')))
      return false;
    const may =
      (port === MDNS_PORT || this.#toolRate.allow(from)) &&
      (here ? this.#hereRate.allow('here') : this.#remoteRate.allow(from)) &&
      this.#allRate.allow('all');
    if (!may) this.#onTraffic?.({ type: 'datagram', by: 'mdns', direction: 'refused' });
    return may;
  }
}

function recordsOf(bytes: Uint8Array): number {
  const counts = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [0, 2, 4, 6].reduce((sum, at) => sum + counts.getUint16(COUNTS_AT + at), 0);
}
