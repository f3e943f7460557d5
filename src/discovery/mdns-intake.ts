import type { Clock } from '../clock.ts';
import { isMaze } from './dns-wire.ts';
import type { MdnsPlace, Neighbourhood } from './mdns-near.ts';
import { MAX_RECORDS } from './mdns-records.ts';
import { RateLimit } from './rate-limit.ts';
import type { Remote } from './udp.ts';

/** RFC 6762 17: no mDNS packet is longer. */
const MAX_BYTES = 9000;

/** The header: its second pair of bytes are the flags, then come four counts of records (RFC 1035 4.1.1). */
const HEADER_BYTES = 12;
const FLAGS_AT = 2;
const COUNTS_AT = 4;

/** What must be so in the flags of a response: the bit that says so, an opcode of 0 and no error (RFC 6762 18). */
const FLAGS = { mask: 0xf80f, response: 0x8000 };

/** One responder says a handful of packets when asked; on loopback all share one address. */
const PER_SECOND = { remote: 20, here: 200 };

/**
 * Time a second for decoding, ms. What a server says takes some 0.05; what is made to be slow takes 18 in 9000 bytes,
 * and senders can be forged. What comes after that is lost, and asked for again.
 */
const DECODING_MS = 100;
const SECOND_MS = 1000;

/** Which packets a browser decodes, and how much of its time that may take. */
export class MdnsIntake {
  readonly #clock: Clock;
  readonly #port: number;
  readonly #remoteRate: RateLimit;
  readonly #hereRate: RateLimit;
  #second = { since: Number.NEGATIVE_INFINITY, spentMs: 0 };

  /** `port` is the one of mDNS, from which everything has to come. */
  constructor(clock: Clock, port: number) {
    this.#clock = clock;
    this.#port = port;
    this.#remoteRate = new RateLimit(clock, PER_SECOND.remote);
    this.#hereRate = new RateLimit(clock, PER_SECOND.here);
  }

  /** Whether a packet that the socket of a place got may be decoded, as far as is known of the networks. */
  lets(bytes: Uint8Array, { address, port }: Remote, place: MdnsPlace, near: Neighbourhood): boolean {
    if (bytes.length < HEADER_BYTES || bytes.length > MAX_BYTES) return false;
    // RFC 6762 11: from another network or port it is no mDNS. All sockets get all packets; one of them takes it.
    if (port !== this.#port || near.interfaceTo(address) !== place.interface) return false;
    if (address.includes(':') !== (place.family === 'IPv6')) return false;
    const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
    if ((header.getUint16(FLAGS_AT) & FLAGS.mask) !== FLAGS.response) return false;
    const records = [0, 2, 4, 6].reduce((sum, at) => sum + header.getUint16(COUNTS_AT + at), 0);
    if (records > MAX_RECORDS || isMaze(bytes)) return false;
    if (this.#thisSecond().spentMs >= DECODING_MS) return false;
    return near.isHere(address) ? this.#hereRate.allow('here') : this.#remoteRate.allow(address);
  }

  /** Decodes, and counts the time it took. */
  spend(decode: () => void): void {
    const begun = this.#clock.now();
    const second = this.#thisSecond();
    decode();
    second.spentMs += this.#clock.now() - begun;
  }

  #thisSecond(): { spentMs: number } {
    const now = this.#clock.now();
    if (now - this.#second.since >= SECOND_MS) this.#second = { since: now, spentMs: 0 };
    return this.#second;
  }
}
