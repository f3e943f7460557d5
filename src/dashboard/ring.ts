/** A minute of changes at their fastest; a page that was away for longer is told the whole. */
const MAX_FRAMES = 300;
/** And no more than this together, bytes. */
const MAX_BYTES = 1024 * 1024;

/** The last changes, numbered from 1. */
export class Ring {
  readonly #frames: Buffer[] = [];
  #bytes = 0;
  #last = 0;

  /** Number of the newest; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Keeps what `make` makes of the next number, and returns it. */
  add(make: (number: number) => Buffer): Buffer {
    this.#last += 1;
    const frame = make(this.#last);
    this.#frames.push(frame);
    this.#bytes += frame.length;
    while (this.#frames.length > MAX_FRAMES || this.#bytes > MAX_BYTES)
      this.#bytes -= this.#frames.shift()?.length ?? 0;
    return frame;
  }

  /** All that came after that number; undefined where some of it is gone, or there never was such a number. */
  after(number: number): readonly Buffer[] | undefined {
    const missed = this.#last - number;
    if (!Number.isInteger(missed) || missed < 0 || missed > this.#frames.length) return undefined;
    return this.#frames.slice(this.#frames.length - missed);
  }
}
