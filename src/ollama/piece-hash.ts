import { createHash } from 'node:crypto';

/** Small pieces are gathered up to this many bytes: a call of the hash costs more than they do. */
const GATHER_BYTES = 8 * 1024;
/** Up to this many, a native copy costs more than a loop. */
const LOOP_BYTES = 32;

/** SHA-1 over pieces of a buffer, of which there can be millions and each of any size. */
export class PieceHash {
  readonly #source: Buffer;
  readonly #hash = createHash('sha1');
  readonly #gathered = Buffer.allocUnsafe(GATHER_BYTES);
  #used = 0;

  constructor(source: Buffer) {
    this.#source = source;
  }

  /** The hash of all that was added up to here, 16 bytes in base64; more can be added after it. */
  get value(): string {
    this.#flush();
    return this.#hash.copy().digest().toString('base64', 0, 16);
  }

  /** Adds the bytes of the source from `from` up to but not including `to`. */
  add(from: number, to: number): void {
    const bytes = to - from;
    if (this.#used + bytes > GATHER_BYTES) this.#flush();
    if (bytes > GATHER_BYTES) this.#hash.update(this.#source.subarray(from, to));
    else if (bytes > LOOP_BYTES) this.#used += this.#source.copy(this.#gathered, this.#used, from, to);
    else for (let at = from; at < to; at += 1) this.addByte(this.#source[at] ?? 0);
  }

  addByte(byte: number): void {
    if (this.#used === GATHER_BYTES) this.#flush();
    this.#gathered[this.#used] = byte;
    this.#used += 1;
  }

  addText(text: string): void {
    this.#flush();
    this.#hash.update(text);
  }

  #flush(): void {
    this.#hash.update(this.#gathered.subarray(0, this.#used));
    this.#used = 0;
  }
}
