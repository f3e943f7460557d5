import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Upload } from './upload.ts';

/** A body up to this is kept so that the request can be repeated elsewhere; a photo or two fit, bytes. */
export const REPLAY_LIMIT_BYTES = 32 * 1024 * 1024;
/** Bodies kept by all requests together, bytes; past it, bodies stream and are not repeatable. */
const HELD_LIMIT_BYTES = 256 * 1024 * 1024;

/**
 * A request body. `whole`: all of it, repeatable. `streaming`: the beginning that was read to look for the
 * model, with a stream of everything that can be consumed once; nothing is pulled before somebody reads.
 */
export type Body =
  | { readonly type: 'whole'; readonly bytes: Buffer; release(): void }
  | { readonly type: 'streaming'; readonly beginning: Buffer; open(): Readable; release(): void };

/** Reads request bodies and bounds what all of them together hold in memory. */
export class BodyReader {
  #held = 0;

  /**
   * Reads a body up to the replay limit, or not at all when `stream` says that it is to be passed on as it
   * comes (blobs). Rejects when the client leaves meanwhile. The caller releases the body when done.
   */
  async read(request: IncomingMessage, stream: boolean): Promise<Body> {
    const declared = Number(request.headers['content-length'] ?? Number.NaN);
    const hasBody = request.headers['transfer-encoding'] !== undefined || declared > 0;
    if (!hasBody) return { type: 'whole', bytes: Buffer.alloc(0), release: () => {} };
    if (stream) return this.#streaming(request, [], () => {});

    const chunks: Buffer[] = [];
    let bytes = 0;
    const release = () => {
      this.#held -= bytes;
      bytes = 0;
    };
    // Not `for await`: leaving that loop early destroys the request.
    const ended = await new Promise<boolean>((resolve, reject) => {
      const stop = (how: () => void) => {
        request.removeListener('data', onData);
        request.removeListener('end', onEnd);
        request.removeListener('close', onClose);
        how();
      };
      const onData = (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        this.#held += chunk.length;
        if (bytes <= REPLAY_LIMIT_BYTES && this.#held <= HELD_LIMIT_BYTES) return;
        request.pause();
        stop(() => resolve(false));
      };
      const onEnd = () => stop(() => resolve(true));
      const onClose = () =>
        stop(() => {
          release();
          reject(new Error('the client left while sending the request'));
        });
      request.on('data', onData).on('end', onEnd).on('close', onClose);
      request.on('error', () => {}); // 'close' follows and says it.
    });
    if (!ended) return this.#streaming(request, chunks, release);
    const [first] = chunks;
    return {
      type: 'whole',
      bytes: chunks.length === 1 && first ? first : Buffer.concat(chunks, bytes),
      release,
    };
  }

  #streaming(request: IncomingMessage, chunks: readonly Buffer[], release: () => void): Body {
    const beginning = Buffer.concat(chunks);
    let upload: Upload | undefined;
    return {
      type: 'streaming',
      beginning,
      open: () => {
        upload = new Upload(beginning, request);
        return upload;
      },
      release: () => {
        upload?.destroy();
        release();
      },
    };
  }
}
