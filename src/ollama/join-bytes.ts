import { setImmediate as nextTurn } from 'node:timers/promises';

/** Copied in one turn, bytes: a millisecond, and as long as others then have to wait. */
const SLICE_BYTES = 1024 * 1024;

/**
 * Joins parts into one piece, of memory that threads can share. A long one is copied in turns with whatever else there is
 * to do: the copy of 32 MB at once would stop every stream for some 30 ms. Never rejects.
 */
export async function joinBytes(parts: readonly Buffer[]): Promise<Buffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const joined = Buffer.from(new SharedArrayBuffer(length));
  let at = 0;
  let left = SLICE_BYTES;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      const to = Math.min(part.length, from + left);
      at += part.copy(joined, at, from, to);
      left -= to - from;
      from = to;
      if (left > 0) continue;
      left = SLICE_BYTES;
      await nextTurn();
    }
  }
  return joined;
}
