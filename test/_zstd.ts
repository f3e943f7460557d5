/** Zstandard frames (RFC 8878) made by hand: no compressor for Node 20 exists that is small enough for a test. */

/** A window of 8 MiB, as a descriptor: exponent 13, mantissa 0. */
const WINDOW_8_MIB = 13 << 3;

const MAX_BLOCK_BYTES = 128 * 1024;

/** A frame of these blocks, without content size and checksum. */
export function frame(blocks: readonly Buffer[], window = WINDOW_8_MIB): Buffer {
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, window]), ...blocks]);
}

/** A block: `type` 0 as it is, 1 one byte repeated `size` times, 2 compressed. */
export function block(type: 0 | 1 | 2 | 3, content: Buffer, last: boolean, size = content.length): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((size << 3) | (type << 1) | (last ? 1 : 0), 0, 3);
  return Buffer.concat([header, content]);
}

/** `content` in a frame of blocks that are not compressed. */
export function zstdStored(content: Buffer): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at === 0 || at < content.length; at += MAX_BLOCK_BYTES) {
    const end = at + MAX_BLOCK_BYTES;
    blocks.push(block(0, content.subarray(at, end), end >= content.length));
  }
  return frame(blocks);
}

/** A frame of `count` blocks that say "128 KiB of spaces" in four bytes each. */
export function zstdSpaces(count: number): Buffer {
  const spaces = (last: boolean) => block(1, Buffer.from(' '), last, MAX_BLOCK_BYTES);
  return frame([...Array.from({ length: count - 1 }, () => spaces(false)), spaces(true)]);
}

/**
 * 31 bytes that claim 98,047 copies of at least 64 KiB each: one literal, three tables of one code (literal
 * length 0, offset 0, match length 52) and next to no bits to read them from.
 */
export function zstdEndless(): Buffer {
  const claims = [
    1 << 3,
    0x41,
    0xff,
    0xff,
    0xff,
    0b01010100,
    0,
    0,
    52,
    ...Array.from({ length: 8 }, () => 0xff),
  ];
  return frame([block(2, Buffer.from(claims), true)], 7 << 3);
}

/** `zstd -19` of `REAL_TEXT`: Huffman-coded literals, matches, and a checksum. */
export const REAL_ZSTD = Buffer.from(
  'KLUv/QBo7QUAsgwlGHBvAxDRSsKsRaAerdIcuPr74Ac5oaoSM9mRrfsrQMi2EKWl44f80knJQLbPiSqQlXFFrYufxp5cZQRNRytfFFIe' +
    'EX0SNyXt5rftw37oyQIbW85t28/jYkbbnxF0C/SM3xbiji8XWGRoAkP83rZ9rTi0wGognxtKm3eUTi80iP3mEr1ulLUj6/Ri20ro7pMZ' +
    'X0K3WA4APgMYjFFjwCMOFvHigRtD8cgRF/BU+KZQwQm4SjmZ0l/OaHuf',
  'base64',
);
