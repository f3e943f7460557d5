import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Cancel, Clock } from '../clock.ts';
import type { OllanaError } from '../errors.ts';
import type { OnLimit } from '../limits.ts';
import {
  type BodyBounds,
  bodiesTooMany,
  bodyTimeMs,
  bodyTooLong,
  bodyTooSlow,
  REPLAY_LIMIT_BYTES,
} from './body-limits.ts';
import { BodyPace } from './body-pace.ts';
import { Gather } from './gather.ts';
import { Held } from './held.ts';
import { answerRaw } from './raw-answer.ts';
import { Upload, type UploadWatch } from './upload.ts';

/** Shorter pauses than this, ms, are not worth a timer. */
const PAUSE_MS = 5;

/**
 * A request body. `whole`: all of it, repeatable. `streaming`: the beginning that was read to look for the
 * model, with a stream of everything that can be consumed once; nothing is pulled before somebody reads.
 */
export type Body =
  | { readonly type: 'whole'; readonly bytes: Buffer; release(): void }
  | { readonly type: 'streaming'; readonly beginning: Buffer; open(): Readable; release(): void };

export interface BodyReaderOptions {
  readonly clock: Clock;
  /** Told of a body that is passed on and stops coming; other refusals are thrown. */
  readonly onLimit: OnLimit;
}

/** Reads request bodies and bounds what all of them together hold in memory. */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  readonly #held = new Held();
  readonly #pace: BodyPace;

  constructor(options: BodyReaderOptions) {
    this.#options = options;
    this.#pace = new BodyPace(options.clock);
  }

  /**
   * Reads a body up to the replay limit, or not at all where it is to be passed on as it comes (blobs). Rejects when the
   * client leaves meanwhile, and, with a `limit`, with OLLANA_BAD_REQUEST (413, 408) or OLLANA_TOO_MANY (503) for what
   * is out of bounds. The caller releases the body when done. `response` is the request's, which may have begun while
   * its body is still passed on.
   */
  async read(request: IncomingMessage, response: ServerResponse, bounds: BodyBounds): Promise<Body> {
    const declared = Number(request.headers['content-length'] ?? Number.NaN);
    const hasBody = request.headers['transfer-encoding'] !== undefined || declared > 0;
    if (!hasBody) return { type: 'whole', bytes: Buffer.alloc(0), release: () => {} };
    if (bounds.stream) return this.#streaming(request, response, bounds, Buffer.alloc(0), () => {});
    if (declared > bounds.maxBytes) throw bodyTooLong(bounds);

    const { clock } = this.#options;
    const startedAt = clock.now();
    const gather = new Gather(declared <= REPLAY_LIMIT_BYTES ? declared : Number.NaN);
    const share = this.#held.share(bounds.peer);
    // Not `for await`: leaving that loop early destroys the request.
    const ended = await new Promise<boolean>((resolve, reject) => {
      const stop = (how: () => void) => {
        stopTimer();
        stopPause();
        request.removeListener('data', onData);
        request.removeListener('end', onEnd);
        request.removeListener('close', onClose);
        how();
      };
      const fail = (error: Error) =>
        stop(() => {
          request.pause();
          share.release();
          reject(error);
        });
      const onData = (chunk: Buffer) => {
        const room = share.take(gather.add(chunk));
        if (gather.bytes > bounds.maxBytes) return fail(bodyTooLong(bounds));
        if (room === 'peer-full') return fail(bodiesTooMany(bounds, share.maxBytes));
        if (gather.bytes <= REPLAY_LIMIT_BYTES && room === 'ok') return pace(chunk.length);
        request.pause();
        stop(() => resolve(false));
      };
      let stopPause: Cancel = () => {};
      const pace = (bytes: number) => {
        const ms = bounds.peer === undefined ? 0 : this.#pace.took(bounds.peer, bytes);
        if (ms < PAUSE_MS) return;
        request.pause();
        stopPause = clock.after(ms, () => request.resume());
      };
      const onEnd = () => stop(() => resolve(true));
      const onClose = () => fail(new Error('the client left while sending the request'));
      const wait = (ms: number) =>
        clock.after(ms, () => {
          const left = bodyTimeMs(gather.bytes) - (clock.now() - startedAt);
          if (left <= 0) fail(bodyTooSlow(bounds));
          else stopTimer = wait(left);
        });
      let stopTimer = bounds.peer === undefined ? () => {} : wait(bodyTimeMs(0));
      request.on('data', onData).on('end', onEnd).on('close', onClose);
      request.on('error', () => {}); // 'close' follows and says it.
    });
    const bytes = await gather.joined();
    if (!ended) return this.#streaming(request, response, bounds, bytes, share.release);
    return { type: 'whole', bytes, release: share.release };
  }

  #streaming(
    request: IncomingMessage,
    response: ServerResponse,
    bounds: BodyBounds,
    beginning: Buffer,
    release: () => void,
  ): Body {
    const { clock, onLimit } = this.#options;
    let upload: Upload | undefined;
    const end = ({ code, status, message, limit }: OllanaError) => {
      if (limit) onLimit({ type: 'limit-reached', limit, peer: bounds.peer });
      // Another answer in the midst of one would be taken for a part of it.
      if (response.headersSent) return void request.socket.destroy();
      // Not by the response: its connection must look as broken as it is, to the server that waits for the rest.
      answerRaw(request.socket, clock, { code, status, message });
    };
    const watch: UploadWatch | undefined =
      bounds.peer === undefined
        ? undefined
        : {
            clock,
            maxBytes: bounds.maxBytes,
            onIdle: () => end(bodyTooSlow(bounds)),
            onExcess: () => end(bodyTooLong(bounds)),
          };
    return {
      type: 'streaming',
      beginning,
      open: () => {
        upload = new Upload(beginning, request, watch);
        return upload;
      },
      release: () => {
        upload?.destroy();
        release();
      },
    };
  }
}
