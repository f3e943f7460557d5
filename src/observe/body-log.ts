import type { Log } from './log.ts';

/** Of a text, bytes: the beginning of a prompt and the end of an answer say what it was about. */
const MAX_BYTES = 8 * 1024;

/** Puts what people and models say into the log; only there where the owner of the machine wants that. */
export class BodyLog {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** A request's body as it was sent, or its beginning. */
  request(id: string, body: Buffer): void {
    const text = body.toString('utf8', 0, MAX_BYTES);
    this.#log.info('request body', { id, bytes: body.length, body: text });
  }

  /** The end of an answer as the server sent it. */
  answer(id: string, end: string): void {
    this.#log.info('answer body', { id, body: end.slice(-MAX_BYTES) });
  }
}
