import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';

/**
 * A request body as a stream: what was read of it already, then the rest, as fast as it is read. Destroying it
 * leaves the request itself alone, so that the client still gets an answer.
 */
export class Upload extends Readable {
  readonly #request: IncomingMessage;
  #beginning: Buffer | undefined;
  #following = false;

  constructor(beginning: Buffer, request: IncomingMessage) {
    super();
    this.#beginning = beginning.length > 0 ? beginning : undefined;
    this.#request = request;
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
      this.#beginning = undefined;
      this.push(beginning);
      return;
    }
    if (!this.#following) this.#follow();
    this.#request.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#request.removeListener('data', this.#onData);
    this.#request.removeListener('end', this.#onEnd);
    this.#request.pause();
    done(error);
  }

  #follow(): void {
    this.#following = true;
    if (this.#request.readableEnded) this.#onEnd();
    else this.#request.on('data', this.#onData).on('end', this.#onEnd);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#request.pause();
  };

  readonly #onEnd = (): void => {
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
