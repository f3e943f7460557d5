import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Cancel, Clock } from '../clock.ts';

/** Nothing comes for this long of an upload that a server waits for, ms: its sender sleeps, or means to hold it. */
const IDLE_UPLOAD_MS = 60_000;

/** Handed on at once of what was read already, bytes: the system takes megabytes in one call, and all else waits for it. */
const SLICE_BYTES = 256 * 1024;

/** Who is told, once, that an upload does not come any more, or does not end. */
export interface UploadWatch {
  readonly clock: Clock;
  /** Bytes. */
  readonly maxBytes: number;
  readonly onIdle: () => void;
  readonly onExcess: () => void;
}

/**
 * A request body as a stream: what was read of it already, then the rest, as fast as it is read. Destroying it
 * leaves the request itself alone, so that the client still gets an answer.
 */
export class Upload extends Readable {
  readonly #request: IncomingMessage;
  #beginning: Buffer | undefined;
  #following = false;
  #bytes: number;
  /** Since when, on the clock, more is wanted and has not come; undefined while nothing is wanted. */
  #wantedSince: number | undefined;
  readonly #watch: UploadWatch | undefined;
  #stopWatch: Cancel = () => {};

  constructor(beginning: Buffer, request: IncomingMessage, watch?: UploadWatch) {
    super();
    this.#beginning = beginning.length > 0 ? beginning : undefined;
    this.#request = request;
    this.#bytes = beginning.length;
    this.#watch = watch;
  }

  /** Destroys `to` when this is destroyed before its end: it would wait for the rest for ever. */
  override pipe<T extends NodeJS.WritableStream>(to: T & { destroy(): unknown }): T {
    this.once('close', () => {
      if (!this.readableEnded) to.destroy();
    });
    return super.pipe(to);
  }

  override _read(): void {
    const beginning = this.#beginning;
    if (beginning) {
      this.#beginning = beginning.length > SLICE_BYTES ? beginning.subarray(SLICE_BYTES) : undefined;
      this.push(beginning.subarray(0, SLICE_BYTES));
      return;
    }
    if (!this.#following) this.#follow();
    this.#wantedSince ??= this.#watch?.clock.now();
    this.#request.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stopWatch();
    this.#request.removeListener('data', this.#onData);
    this.#request.removeListener('end', this.#onEnd);
    this.#request.pause();
    done(error);
  }

  #follow(): void {
    this.#following = true;
    if (this.#request.readableEnded) this.#onEnd();
    else {
      this.#request.on('data', this.#onData).on('end', this.#onEnd);
      if (this.#watch) this.#lookIn(this.#watch, IDLE_UPLOAD_MS);
    }
  }

  #lookIn(watch: UploadWatch, ms: number): void {
    this.#stopWatch = watch.clock.after(ms, () => {
      const idle = this.#wantedSince === undefined ? 0 : watch.clock.now() - this.#wantedSince;
      if (idle >= IDLE_UPLOAD_MS) watch.onIdle();
      else this.#lookIn(watch, IDLE_UPLOAD_MS - idle);
    });
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes += chunk.length;
    if (this.#watch && this.#bytes > this.#watch.maxBytes) {
      this.#watch.onExcess();
      return;
    }
    const isMoreWanted = this.push(chunk);
    this.#wantedSince = isMoreWanted ? this.#watch?.clock.now() : undefined;
    if (!isMoreWanted) this.#request.pause();
  };

  readonly #onEnd = (): void => {
    this.#stopWatch();
    this.push(null);
  };
}

/** A client that reads no answer before it has sent everything gets this long to do so, ms. */
const LINGER_MS = 30_000;

/** Reads and forgets what is left of a body that nobody wants any more; cuts the connection if that takes long. */
export function discardRest(request: IncomingMessage, clock: Clock): void {
  if (request.complete || request.destroyed) return;
  const cancel = clock.after(LINGER_MS, () => request.destroy());
  request.once('close', cancel);
  request.on('error', () => {}); // 'close' follows.
  request.resume();
}

/** So much more of a body that nobody wants is read, bytes: what is on its way, and whole small ones. */
const REST_BYTES = 256 * 1024;
/** Its sender has this long to see the answer once nothing is read any more, ms. */
const UNREAD_LINGER_MS = 2000;

/**
 * As `discardRest`, of another machine's request: reads a little more and then nothing, which stops its sender, and cuts
 * the connection soon. Call it before the answer ends.
 */
export function leaveRest(request: IncomingMessage, clock: Clock): void {
  if (request.complete || request.destroyed) return;
  let bytes = 0;
  request.on('error', () => {}); // 'close' follows.
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= REST_BYTES) return;
    request.pause();
    const cancel = clock.after(UNREAD_LINGER_MS, () => request.destroy());
    request.once('close', cancel);
  });
  // Of a request of which nothing was asked Node reads all when it is answered.
  request.read(0);
  request.resume();
}
