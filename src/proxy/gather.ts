import { joinBytes } from '../ollama/join-bytes.ts';

/** When so much has come of a body, bytes, its pieces are copied; a room for those of unknown length is as long. */
const ROOM_BYTES = 1024 * 1024;

/**
 * The pieces of a body as they come. Those of a long one are copied to their place at once: kept as they are they would
 * outlive the young generation, and to collect hundreds of them stops everything for tens of milliseconds.
 */
export class Gather {
  readonly #wholeBytes: number;
  /** Before there are rooms: the pieces. */
  #parts: Buffer[] = [];
  /** All are full but for the last. */
  readonly #rooms: Buffer[] = [];
  /** Bytes of the last room that are taken. */
  #used = 0;
  #bytes = 0;

  /** `wholeBytes` is the length of the whole, as far as it is known and all of it is to be kept; else NaN. */
  constructor(wholeBytes: number) {
    this.#wholeBytes = wholeBytes;
  }

  /** Bytes that have come. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a piece; returns how many bytes more of memory are taken now. */
  add(piece: Buffer): number {
    const before = this.#bytes;
    this.#bytes += piece.length;
    if (this.#rooms.length > 0) return this.#copy(piece);
    this.#parts.push(piece);
    if (this.#bytes < ROOM_BYTES) return piece.length;
    const parts = this.#parts;
    this.#parts = [];
    return parts.reduce((taken, part) => taken + this.#copy(part), -before);
  }

  /** All that has come, in one piece. Never rejects. */
  async joined(): Promise<Buffer> {
    const last = this.#rooms.at(-1);
    const pieces = last ? [...this.#rooms.slice(0, -1), last.subarray(0, this.#used)] : this.#parts;
    const [first] = pieces;
    return pieces.length === 1 && first ? first : joinBytes(pieces);
  }

  /** Copies a piece to where there is room; returns how many bytes of rooms that took. */
  #copy(piece: Buffer): number {
    let taken = 0;
    for (let from = 0; from < piece.length; ) {
      let room = this.#rooms.at(-1);
      if (!room || this.#used === room.length) {
        room = Buffer.from(new SharedArrayBuffer(this.#nextRoomBytes()));
        this.#rooms.push(room);
        this.#used = 0;
        taken += room.length;
      }
      const copied = piece.copy(room, this.#used, from);
      this.#used += copied;
      from += copied;
    }
    return taken;
  }

  /** One room takes all of a body whose length is known; should more come than was told, it takes others. */
  #nextRoomBytes(): number {
    return this.#rooms.length === 0 && this.#wholeBytes >= ROOM_BYTES ? this.#wholeBytes : ROOM_BYTES;
  }
}
