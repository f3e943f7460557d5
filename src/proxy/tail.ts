/** Enough of a stream's end to hold its last events; a single longer chunk is kept whole. */
const KEEP_BYTES = 8 * 1024;
/** Room that is made at first: out of the pool that Node keeps for small buffers. */
const FIRST_BYTES = 1024;

/**
 * Remembers the end of a stream, unparsed. It copies, since chunks that are kept by reference outlive the young
 * generation, and moving 150 of them for each stream costs more than copying their few bytes.
 */
export class Tail {
  #kept = Buffer.alloc(0);
  #used = 0;

  push(chunk: Buffer): void {
    const { length } = chunk;
    if (this.#used + length > this.#kept.length) this.#makeRoom(length);
    this.#kept.set(chunk, this.#used);
    this.#used += length;
  }

  /** The last three bytes, or all of them. */
  get end(): string {
    return this.#kept.toString('latin1', Math.max(0, this.#used - 3), this.#used);
  }

  /** At least the last 8 kB as text, or all of it. */
  text(): string {
    return this.#kept.toString('utf8', 0, this.#used);
  }

  #makeRoom(bytes: number): void {
    const keep = Math.min(this.#used, Math.max(0, KEEP_BYTES - bytes));
    const last = this.#kept.subarray(this.#used - keep, this.#used);
    // Most answers are short, and what large buffers cost is not to fill but to make and to collect them.
    const grown = Math.min(2 * KEEP_BYTES, Math.max(FIRST_BYTES, 4 * this.#kept.length));
    const size = Math.max(grown, keep + bytes);
    if (size === this.#kept.length) this.#kept.set(last);
    else this.#kept = Buffer.concat([last], size);
    this.#used = keep;
  }
}
