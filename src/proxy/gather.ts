import { joinBytes } from '../ollama/join-bytes.ts';

/** When so much has come of a body whose length is known, bytes, there is room made for all of it. */
const ROOM_FROM_BYTES = 1024 * 1024;

/**
 * The pieces of a body as they come. Those of a long one are copied to their place at once: kept as they are they would
 * outlive the young generation, and to collect hundreds of them stops everything for tens of milliseconds.
 */
export class Gather {
  readonly #wholeBytes: number;
  #parts: Buffer[] = [];
  #room: Buffer | undefined;
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
    const at = this.#bytes;
    this.#bytes += piece.length;
    if (this.#room && this.#bytes <= this.#room.length) {
      piece.copy(this.#room, at);
      return 0;
    }
    if (this.#room) {
      // More than was told: the room has been counted, as far as it goes.
      this.#parts = [this.#room.subarray(0, at), piece];
      const more = this.#bytes - this.#room.length;
      this.#room = undefined;
      return more;
    }
    this.#parts.push(piece);
    if (this.#bytes < ROOM_FROM_BYTES || !(this.#bytes <= this.#wholeBytes)) return piece.length;
    this.#room = Buffer.from(new SharedArrayBuffer(this.#wholeBytes));
    let to = 0;
    for (const part of this.#parts) to += part.copy(this.#room, to);
    this.#parts = [];
    return this.#wholeBytes - at;
  }

  /** All that has come, in one piece. Never rejects. */
  async joined(): Promise<Buffer> {
    const [first] = this.#parts;
    if (this.#room) return this.#room.subarray(0, this.#bytes);
    return this.#parts.length === 1 && first ? first : joinBytes(this.#parts);
  }
}
