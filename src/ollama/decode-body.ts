import { promisify } from 'node:util';
import {
  type BrotliOptions,
  brotliDecompress,
  constants,
  gunzip,
  inflate,
  inflateRaw,
  type ZlibOptions,
} from 'node:zlib';
import type { Clock } from '../clock.ts';
import { isOwnAddress, type LimitName, type OnLimit } from '../limits.ts';
import { decodeZstd } from './decode-zstd.ts';

/** Ollama's own limit on a decoded request body, bytes (middleware/openai.go, server/cloud_proxy.go). */
const MAX_DECODED_BYTES = 20 * 1024 * 1024;

/** Decodings at once: each may hold twice the limit above, and the machine has other work for its cores. */
const MAX_RUNNING = 2;

/** Requests waiting for a decoding; past it, bodies are not looked into. */
const MAX_WAITING = 64;

/** Those of one peer that wait or run: its next ones would only make others wait. */
const MAX_PER_PEER = 8;

/**
 * How many times its length a body of another machine may become, from `RATIO_FROM_BYTES` on. Text becomes 10 times its length, a prompt
 * that repeats itself 100 times; a bomb 1000 times by deflate, and more by the others.
 */
const MAX_RATIO = 200;
const RATIO_FROM_BYTES = 1024 * 1024;

/** Bytes that zlib produces per call: fewer calls than with its own 16 KiB. */
const CHUNK_BYTES = 64 * 1024;

// Without the default finish, a body of which only the beginning is here gives what is in that.
const BROTLI = { chunkSize: CHUNK_BYTES, finishFlush: constants.BROTLI_OPERATION_FLUSH };
const ZLIB = { chunkSize: CHUNK_BYTES, finishFlush: constants.Z_SYNC_FLUSH };

type Decode = (body: Buffer, options: ZlibOptions | BrotliOptions) => Promise<Buffer>;
const unbrotli = promisify(brotliDecompress) as Decode;
const ungzip = promisify(gunzip) as Decode;
const undeflate = promisify(inflate) as Decode;
const undeflateRaw = promisify(inflateRaw) as Decode;

/**
 * Decodes request bodies so that they can be looked into, off the main thread, and bounds what all of them
 * together take in memory and time.
 */
export class BodyDecoder {
  readonly #clock: Clock;
  readonly #onLimit: OnLimit;
  readonly #waiting: (() => void)[] = [];
  readonly #perPeer = new Map<string, number>();
  #running = 0;

  constructor(options: { readonly clock: Clock; readonly onLimit?: OnLimit }) {
    this.#clock = options.clock;
    this.#onLimit = options.onLimit ?? (() => {});
  }

  /**
   * The body, or the beginning of one, as it was before `Content-Encoding` (gzip, deflate, br, zstd) was
   * applied; the same buffer when none was. Undefined when it is malformed, in another or several encodings, over
   * 20 MiB decoded, or too much else is being decoded. `peer` is the address of whoever sent it: that of another machine
   * may become 200 times its length and has few at once. Never rejects.
   */
  async decode(encoding: string | undefined, body: Buffer, peer?: string): Promise<Buffer | undefined> {
    const coding = (encoding ?? '').trim().toLowerCase();
    if (coding === '' || coding === 'identity') return body;
    const decoding = decoderOf(coding, body, maxBytesOf(body, peer), this.#clock);
    const refuse = (limit: LimitName): undefined => {
      this.#onLimit({ type: 'limit-reached', limit, peer });
    };
    if (!decoding) return undefined;
    // No body that decodes to so little is larger encoded, save by the few bytes of framing.
    if (body.length > MAX_DECODED_BYTES + CHUNK_BYTES) return refuse('decoded-bytes');
    if (!this.#count(peer, 1)) return refuse('decodings-per-peer');
    try {
      if (this.#running < MAX_RUNNING) this.#running += 1;
      else if (this.#waiting.length >= MAX_WAITING) return undefined;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
      try {
        return await decoding();
      } catch (error) {
        // Anything else the upstream will complain of.
        return isTooMuch(error) ? refuse('decoded-bytes') : undefined;
      } finally {
        const next = this.#waiting.shift();
        if (next) next();
        else this.#running -= 1;
      }
    } finally {
      this.#count(peer, -1);
    }
  }

  /** Counts a decoding of a peer in or out; false when it has too many already. */
  #count(peer: string | undefined, more: 1 | -1): boolean {
    if (peer === undefined || isOwnAddress(peer)) return true;
    const now = (this.#perPeer.get(peer) ?? 0) + more;
    if (now > MAX_PER_PEER) return false;
    if (now > 0) this.#perPeer.set(peer, now);
    else this.#perPeer.delete(peer);
    return true;
  }
}

function maxBytesOf({ length }: Buffer, peer: string | undefined): number {
  if (peer === undefined || isOwnAddress(peer)) return MAX_DECODED_BYTES;
  return Math.min(MAX_DECODED_BYTES, Math.max(RATIO_FROM_BYTES, MAX_RATIO * length));
}

function isTooMuch(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
}

function decoderOf(
  coding: string,
  body: Buffer,
  maxOutputLength: number,
  clock: Clock,
): (() => Promise<Buffer | undefined>) | undefined {
  const zlib = { ...ZLIB, maxOutputLength };
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return () => ungzip(body, zlib);
    case 'deflate':
      // By the standard with zlib's header, by custom often without; that header starts with 8 for "deflate".
      return () => ((body[0] ?? 8) % 16 === 8 ? undeflate(body, zlib) : undeflateRaw(body, zlib));
    case 'br':
      return () => unbrotli(body, { ...BROTLI, maxOutputLength });
    case 'zstd':
      return () => decodeZstd(body, maxOutputLength, clock);
    default:
      return undefined;
  }
}
