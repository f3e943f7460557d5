import { promisify } from 'node:util';
import { brotliDecompress, constants, gunzip, inflate, inflateRaw } from 'node:zlib';
import type { Clock } from '../clock.ts';
import { decodeZstd } from './decode-zstd.ts';

/** Ollama's own limit on a decoded request body, bytes (middleware/openai.go, server/cloud_proxy.go). */
export const MAX_DECODED_BYTES = 20 * 1024 * 1024;

/** Decodings at once: each may hold twice the limit above, and the machine has other work for its cores. */
const MAX_RUNNING = 2;

/** Requests waiting for a decoding; past it, bodies are not looked into. */
const MAX_WAITING = 64;

/** Bytes that zlib produces per call: fewer calls than with its own 16 KiB. */
const CHUNK_BYTES = 64 * 1024;

const BROTLI = {
  chunkSize: CHUNK_BYTES,
  maxOutputLength: MAX_DECODED_BYTES,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
};
// Without the default finish, a body of which only the beginning is here gives what is in that.
const ZLIB = { ...BROTLI, finishFlush: constants.Z_SYNC_FLUSH };

const unbrotli = promisify(brotliDecompress) as (body: Buffer, options: typeof BROTLI) => Promise<Buffer>;
const ungzip = promisify(gunzip) as (body: Buffer, options: typeof ZLIB) => Promise<Buffer>;
const undeflate = promisify(inflate) as typeof ungzip;
const undeflateRaw = promisify(inflateRaw) as typeof ungzip;

/**
 * Decodes request bodies so that they can be looked into, off the main thread, and bounds what all of them
 * together take in memory and time.
 */
export class BodyDecoder {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /**
   * The body, or the beginning of one, as it was before `Content-Encoding` (gzip, deflate, br, zstd) was
   * applied; the same buffer when none was. Undefined when it is malformed, in another or several encodings, over
   * 20 MiB decoded, or too much else is being decoded. Never rejects.
   */
  async decode(encoding: string | undefined, body: Buffer): Promise<Buffer | undefined> {
    const coding = (encoding ?? '').trim().toLowerCase();
    if (coding === '' || coding === 'identity') return body;
    const decoding = decoderOf(coding, body, this.#clock);
    // No body that decodes to so little is larger encoded, save by the few bytes of framing.
    if (!decoding || body.length > MAX_DECODED_BYTES + CHUNK_BYTES) return undefined;
    if (this.#running < MAX_RUNNING) this.#running += 1;
    else if (this.#waiting.length >= MAX_WAITING) return undefined;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await decoding();
    } catch {
      return undefined; // The upstream will say what is wrong with it.
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

function decoderOf(
  coding: string,
  body: Buffer,
  clock: Clock,
): (() => Promise<Buffer | undefined>) | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return () => ungzip(body, ZLIB);
    case 'deflate':
      // By the standard with zlib's header, by custom often without; that header starts with 8 for "deflate".
      return () => ((body[0] ?? 8) % 16 === 8 ? undeflate(body, ZLIB) : undeflateRaw(body, ZLIB));
    case 'br':
      return () => unbrotli(body, BROTLI);
    case 'zstd':
      return () => decodeZstd(body, MAX_DECODED_BYTES, clock);
    default:
      return undefined;
  }
}
