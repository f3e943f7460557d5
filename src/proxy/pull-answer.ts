import type { Clock } from '../clock.ts';
import { type OllanaError, reasonOf } from '../errors.ts';
import { errorBody } from './error-answer.ts';
import type { Exchange } from './exchange.ts';

/** One line of the progress of a pull, as Ollama has them, with what is ours beside it. */
export interface PullLine {
  readonly status: string;
  readonly digest?: string | undefined;
  readonly total?: number | undefined;
  readonly completed?: number | undefined;
  /** The server that it is copied from; absent: the internet. */
  readonly from?: string;
}

/** Programs see no more of a file's progress than Ollama shows them of its own, ms. */
const EVERY_MS = 100;

/**
 * The answer to a pull: lines of progress that end in `success` or an error, or, where the client wants no stream, the
 * last of them alone.
 */
export class PullAnswer {
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #headers: readonly string[];
  readonly #streams: boolean;
  #progressAt = Number.NEGATIVE_INFINITY;

  /** `headers` are flat, beside the type of what is answered. */
  constructor(exchange: Exchange, clock: Clock, headers: readonly string[], streams: boolean) {
    this.#exchange = exchange;
    this.#clock = clock;
    this.#headers = headers;
    this.#streams = streams;
  }

  /** Says how far the pull is. */
  tell(line: PullLine): void {
    if (this.#streams) this.#write(line);
  }

  /** As `tell`, of one of very many steps, some of which are left out: those too soon after another, and not read. */
  step(line: PullLine): void {
    const now = this.#clock.now();
    const isLast = line.completed === line.total;
    if (!this.#streams || (!isLast && now - this.#progressAt < EVERY_MS)) return;
    if (!isLast && this.#exchange.response.writableNeedDrain) return;
    this.#progressAt = now;
    this.#write(line);
  }

  /** Ends the answer well. */
  succeed(): void {
    const line = { status: 'success' };
    if (this.#streams) this.#write(line);
    else this.#whole(200, JSON.stringify(line));
    this.#exchange.response.end();
  }

  /** Ends the answer with why it went wrong. */
  fail(error: unknown): void {
    const { status = 500, code } = error as Partial<OllanaError>;
    const { exchange, message } = { exchange: this.#exchange, message: reasonOf(error) };
    exchange.error = message;
    exchange.errorCode = code;
    const text = errorBody('ollama', status, message, exchange.id);
    if (exchange.response.headersSent) this.#send(`${text}\n`);
    else this.#whole(status, text);
    exchange.response.end();
  }

  #write(line: PullLine): void {
    this.#begin(200, ['Content-Type', 'application/x-ndjson']);
    this.#send(`${JSON.stringify(line)}\n`);
  }

  #whole(status: number, text: string): void {
    const length = String(Buffer.byteLength(text));
    this.#begin(status, ['Content-Type', 'application/json; charset=utf-8', 'Content-Length', length]);
    this.#send(text);
  }

  #begin(status: number, type: readonly string[]): void {
    const { response } = this.#exchange;
    if (response.headersSent || response.destroyed) return;
    this.#exchange.firstByteAt ??= this.#clock.now();
    response.writeHead(status, [...this.#headers, ...type]);
  }

  #send(text: string): void {
    const { response } = this.#exchange;
    if (response.destroyed) return;
    this.#exchange.bytes += Buffer.byteLength(text);
    response.write(text);
  }
}
