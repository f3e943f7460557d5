/*
 * The discovery datagrams on UDP 11436, byte by byte.
 *
 *   offset  size  field
 *        0     4  magic 4C 41 4E 41 ("LANA"); alone it is a query, a reply or an announcement, by direction
 *        4     1  suffix version, 1
 *        5     1  kind: 1 query, 2 reply, 3 goodbye, 4 announcement
 *        6     8  nonce: chosen by the query, repeated by its reply; else zero
 *       14     2  HTTP port, big-endian, not 0                 (zero in a query, as all that follows)
 *       16    32  DeviceId
 *       48     1  length n of the name in bytes, 0 to 63
 *       49     n  name, UTF-8
 *
 * Peers that know only the magic read four bytes and ignore the rest, so whatever starts with the magic and has
 * no valid suffix means the same as the bare four bytes. A query is padded with zeros to 128 bytes: longer than
 * any reply, so that forged queries gain nothing in size. Bytes after the last field are left to later versions.
 *
 * Whoever forges a sender must not make others send to it more than he sends himself. So only queries are answered,
 * by servers alone, each address at most once a second, never with more bytes than it sent; a server tells its port and
 * name in an announcement, so that no client has to ask whoever announces himself.
 */

/** A server about itself. */
export interface Speaker {
  /** Where it serves HTTP, 1 to 65535. */
  readonly httpPort: number;
  /** 64 lower-case hex digits. */
  readonly deviceId: string;
  /** At most 63 bytes of UTF-8 without control characters; may be empty. */
  readonly name: string;
}

/** A datagram that begins with the magic. Nonces are 16 lower-case hex digits. */
export type Datagram =
  | { readonly kind: 'bare' }
  | { readonly kind: 'query'; readonly nonce: string }
  | { readonly kind: 'reply'; readonly nonce: string; readonly speaker: Speaker }
  | { readonly kind: 'goodbye'; readonly speaker: Speaker }
  | { readonly kind: 'announcement'; readonly speaker: Speaker };

const MAGIC = 0x4c414e41;
const VERSION = 1;
const KIND = { query: 1, reply: 2, goodbye: 3, announcement: 4 } as const;
const NONCE_AT = 6;
const PORT_AT = 14;
const DEVICE_AT = 16;
const NAME_AT = 48;
const MAX_NAME_BYTES = 63;
const QUERY_BYTES = 128;
const NO_NONCE = '0'.repeat(16);

/** The four bytes that every generation of peers understands. */
export function encodeBare(): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(MAGIC);
  return bytes;
}

/** An extended query, 128 bytes. Throws RangeError unless `nonce` is 16 hex digits. */
export function encodeQuery(nonce: string): Buffer {
  const bytes = Buffer.alloc(QUERY_BYTES);
  writeHead(bytes, KIND.query, nonce);
  return bytes;
}

/** The answer to the extended query with that nonce, at most 112 bytes. Throws RangeError on unfit values. */
export function encodeReply(nonce: string, speaker: Speaker): Buffer {
  return encodeSpeaker(KIND.reply, nonce, speaker);
}

/** A server's last word, at most 112 bytes. Throws RangeError on unfit values. */
export function encodeGoodbye(speaker: Speaker): Buffer {
  return encodeSpeaker(KIND.goodbye, NO_NONCE, speaker);
}

/** What a server says of itself unasked, 49 bytes and its name. Throws RangeError on unfit values. */
export function encodeAnnouncement(speaker: Speaker): Buffer {
  return encodeSpeaker(KIND.announcement, NO_NONCE, speaker);
}

/** What a datagram says, or undefined when it does not begin with the magic. Never throws. */
export function decode(datagram: Uint8Array): Datagram | undefined {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  if (bytes.length < 4 || bytes.readUInt32BE(0) !== MAGIC) return undefined;
  return decodeSuffix(bytes) ?? { kind: 'bare' };
}

/** A name fit for the wire, a table and a terminal: nothing that steers or hides text, at most 63 bytes. */
export function cleanName(name: string): string {
  const bytes = Buffer.from(name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim());
  let end = Math.min(bytes.length, MAX_NAME_BYTES);
  // Not in the middle of a character: back to a byte that begins one.
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end).trim();
}

function decodeSuffix(bytes: Buffer): Datagram | undefined {
  if (bytes.length <= NAME_AT || bytes[4] !== VERSION) return undefined;
  const nonce = bytes.toString('hex', NONCE_AT, PORT_AT);
  switch (bytes[5]) {
    case KIND.query:
      // A shorter one could be smaller than its reply.
      return bytes.length < QUERY_BYTES ? undefined : { kind: 'query', nonce };
    case KIND.reply: {
      const speaker = decodeSpeaker(bytes);
      return speaker && { kind: 'reply', nonce, speaker };
    }
    case KIND.goodbye: {
      const speaker = decodeSpeaker(bytes);
      return speaker && { kind: 'goodbye', speaker };
    }
    case KIND.announcement: {
      const speaker = decodeSpeaker(bytes);
      return speaker && { kind: 'announcement', speaker };
    }
    default:
      return undefined;
  }
}

function decodeSpeaker(bytes: Buffer): Speaker | undefined {
  const httpPort = bytes.readUInt16BE(PORT_AT);
  const nameEnd = NAME_AT + 1 + bytes.readUInt8(NAME_AT);
  if (httpPort === 0 || nameEnd > bytes.length || nameEnd > NAME_AT + 1 + MAX_NAME_BYTES) return undefined;
  return {
    httpPort,
    deviceId: bytes.toString('hex', DEVICE_AT, NAME_AT),
    name: cleanName(bytes.toString('utf8', NAME_AT + 1, nameEnd)),
  };
}

function encodeSpeaker(kind: number, nonce: string, { httpPort, deviceId, name }: Speaker): Buffer {
  if (!/^[0-9a-f]{64}$/.test(deviceId))
    throw new RangeError(`device id "${deviceId}": not 64 lower-case hex digits`);
  if (!Number.isInteger(httpPort) || httpPort < 1 || httpPort > 65535)
    throw new RangeError(`HTTP port ${httpPort}: not from 1 to 65535`);
  const nameBytes = Buffer.from(cleanName(name));
  const bytes = Buffer.alloc(NAME_AT + 1 + nameBytes.length);
  writeHead(bytes, kind, nonce);
  bytes.writeUInt16BE(httpPort, PORT_AT);
  bytes.write(deviceId, DEVICE_AT, 'hex');
  bytes.writeUInt8(nameBytes.length, NAME_AT);
  nameBytes.copy(bytes, NAME_AT + 1);
  return bytes;
}

function writeHead(bytes: Buffer, kind: number, nonce: string): void {
  if (!/^[0-9a-f]{16}$/.test(nonce)) throw new RangeError(`nonce "${nonce}": not 16 lower-case hex digits`);
  bytes.writeUInt32BE(MAGIC);
  bytes.writeUInt8(VERSION, 4);
  bytes.writeUInt8(kind, 5);
  bytes.write(nonce, NONCE_AT, 'hex');
}
