import { type Answer, decode, encode, RECURSION_DESIRED } from 'dns-packet';

export type DnsType = 'SRV' | 'A' | 'AAAA';

export interface DnsQuestion {
  /** Lower case, without a trailing dot. */
  readonly name: string;
  readonly type: DnsType;
}

export interface SrvTarget {
  readonly priority: number;
  readonly port: number;
  /** Lower case, without a trailing dot; may be any text. */
  readonly target: string;
}

interface DataOf {
  readonly SRV: SrvTarget;
  /** The address. */
  readonly A: string;
  readonly AAAA: string;
  /** The name it stands for. */
  readonly CNAME: string;
}

export interface DnsRecordOf<T extends keyof DataOf> {
  readonly type: T;
  /** Whose record it is; lower case, without a trailing dot. */
  readonly name: string;
  readonly ttlMs: number;
  readonly data: DataOf[T];
}

export type DnsRecord = { [T in keyof DataOf]: DnsRecordOf<T> }[keyof DataOf];

export interface DnsAnswer {
  /** Response code, RFC 1035: 0 no error, 3 no such name. */
  readonly code: number;
  /** Cut off: the whole is to be had over TCP. */
  readonly truncated: boolean;
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** How long the absence of records counts (RFC 2308); undefined where the zone does not say. */
  readonly absentMs: number | undefined;
}

/** The largest datagram that passes every network unfragmented (DNS flag day 2020). */
export const UDP_BYTES = 1232;

/**
 * Records read from one message: the 256 servers of one name that are used, and an address of each. What comes after
 * them is ignored. A message of 64 kB could hold 5000, which as one long name each take a tenth of a second to read.
 */
const MAX_RECORDS = 512;

/** References in a name in a row. Encoders need one; each further one costs a byte pair and a step to read it. */
const MAX_JUMPS = 4;

const HEADER_BYTES = 12;
const FORMAT_ERROR = 1;
const NOT_IMPLEMENTED = 4;

/**
 * A question as a message. Over UDP it says how long an answer may be; over TCP nothing needs to be said, which
 * servers without EDNS understand too.
 */
export function encodeQuestion(id: number, { name, type }: DnsQuestion, over: 'udp' | 'tcp'): Buffer {
  const opt: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals: over === 'udp' ? [opt] : [],
  });
}

/** Whether a message has the id that was asked with: cheap, and all that most forgeries are worth. */
export function hasId(bytes: Uint8Array, id: number): boolean {
  return bytes.length >= HEADER_BYTES && (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0) === id;
}

/** Reads a message as the answer to a question; undefined when it is none. Never throws. */
export function readAnswer(bytes: Buffer, id: number, question: DnsQuestion): DnsAnswer | undefined {
  if (!hasId(bytes, id)) return undefined;
  const isResponse = bytes.readUInt16BE(2) >> 11 === 0b1_0000;
  const code = bytes.readUInt16BE(2) & 0xf;
  const questions = bytes.readUInt16BE(4);
  // Who does not understand the question may not repeat it.
  const mute = questions === 0 && (code === FORMAT_ERROR || code === NOT_IMPLEMENTED);
  if (!isResponse || (questions !== 1 && !mute) || isMaze(bytes)) return undefined;
  const truncated = (bytes.readUInt16BE(2) & 0x0200) !== 0;
  // A message that was cut may end in the middle of a record.
  const packet = decodeUpTo(bytes, MAX_RECORDS) ?? (truncated ? decodeUpTo(bytes, 0) : undefined);
  if (!packet) return undefined;
  const [asked] = packet.questions ?? [];
  const isOurs = asked && plainName(asked.name) === question.name && asked.type === question.type;
  if (!mute && !(isOurs && asked.class === 'IN')) return undefined;
  const { answers = [], additionals = [], authorities = [] } = packet;
  const [absentMs] = authorities.flatMap((record) =>
    record.type === 'SOA' ? [Math.min(ttlMsOf(record.ttl), ttlMsOf(record.data.minimum))] : [],
  );
  return {
    code,
    truncated,
    answers: answers.flatMap(recordOf),
    additionals: additionals.flatMap(recordOf),
    absentMs,
  };
}

type Packet = ReturnType<typeof decode>;
type PacketRecord = NonNullable<Packet['answers']>[number];

/** Decodes the first `most` records; undefined where they are not what they should be. */
function decodeUpTo(bytes: Buffer, most: number): Packet | undefined {
  const copy = Buffer.from(bytes);
  let left = most;
  for (const at of [6, 8, 10]) {
    const count = copy.readUInt16BE(at);
    copy.writeUInt16BE(Math.min(count, left), at);
    // Sections follow each other: once one is cut, what comes next cannot be found.
    left = count > left ? 0 : left - count;
  }
  try {
    const packet = decode(copy);
    // It reads addresses beyond the end of what there is.
    return decode.bytes <= copy.length ? packet : undefined;
  } catch {
    return undefined; // No DNS message, or one that was damaged.
  }
}

/**
 * Whether references lead to references to references: a name written so takes thousands of steps to read. Every
 * pair of bytes that could be a reference is looked at, which is quicker than to find out which are. Pure.
 */
export function isMaze(bytes: Uint8Array): boolean {
  const jumps = new Uint8Array(Math.min(bytes.length, 0x4000));
  for (let at = HEADER_BYTES; at + 1 < jumps.length; at += 1) {
    const high = bytes[at] ?? 0;
    if (high < 0xc0) continue;
    const to = (high - 0xc0) * 256 + (bytes[at + 1] ?? 0);
    if (to >= at) continue;
    const steps = (jumps[to] ?? 0) + 1;
    if (steps > MAX_JUMPS) return true;
    jumps[at] = steps;
  }
  return false;
}

function recordOf(record: PacketRecord): DnsRecord[] {
  if (record.type === 'OPT' || record.class !== 'IN') return [];
  const name = plainName(record.name);
  const ttlMs = ttlMsOf(record.ttl);
  switch (record.type) {
    case 'SRV': {
      const { priority = 0, port, target } = record.data;
      return [{ type: 'SRV', name, ttlMs, data: { priority, port, target: plainName(target) } }];
    }
    case 'A':
      return [{ type: 'A', name, ttlMs, data: record.data }];
    case 'AAAA':
      return [{ type: 'AAAA', name, ttlMs, data: record.data }];
    case 'CNAME':
      return [{ type: 'CNAME', name, ttlMs, data: plainName(record.data) }];
    default:
      return [];
  }
}

/** RFC 2181: a number with its top bit set means 0. */
function ttlMsOf(seconds = 0): number {
  return seconds > 0x7fff_ffff ? 0 : seconds * 1000;
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
