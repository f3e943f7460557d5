import { type Clock, sleep } from '../clock.ts';
import type { Otlp } from '../config/otlp.ts';
import { reasonOf } from '../errors.ts';
import type { ObservedEvent } from './event-stream.ts';
import type { Log } from './log.ts';
import type { SpanSender } from './otel-sdk.ts';
import { type EndedAttempt, type RequestSpan, spanOf } from './otel-span.ts';

export interface OtelOptions {
  readonly otlp: Otlp;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly mode: string;
}

/** Spans that end while the SDK is being loaded, a fraction of a second. */
const MAX_HELD = 256;
/** Requests whose attempts are remembered until they end; a daemon has some hundred at once. */
const MAX_REQUESTS = 4096;
/** Attempts that are told of one request: more say no more. */
const MAX_ATTEMPTS = 16;
/** How long the end of a daemon waits for a collector to take the last spans, ms. */
const FLUSH_MS = 2000;
/** A collector that is away is told of no more often than this, ms. */
const WARN_EVERY_MS = 300_000;

const INSTALL =
  'npm install -g @opentelemetry/sdk-trace-base@2 @opentelemetry/resources@2 @opentelemetry/exporter-trace-otlp-http@0.223';

/**
 * Exports a span for each request that runs a model, and one for each attempt within it. Requests never wait for it: what
 * a collector does not take is lost, counted and told of now and then. The SDK is loaded when one of these is made.
 */
export class Otel implements AsyncDisposable {
  readonly #options: OtelOptions;
  readonly #loading: Promise<void>;
  #sender: SpanSender | undefined;
  /** Undefined once the SDK is there, or is known not to be. */
  #held: RequestSpan[] | undefined = [];
  readonly #attempts = new Map<string, EndedAttempt[]>();
  #lost = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #isTold = false;

  constructor(options: OtelOptions) {
    this.#options = options;
    this.#loading = this.#load(options);
  }

  /** To be called for each event. Bound. */
  readonly observe = (event: ObservedEvent): void => {
    if (!this.#sender && !this.#held) return;
    if (event.type === 'attempt-ended') {
      // Its time is part of the wait for a slot.
      if (event.end === 'busy') return;
      const at = this.#options.clock.wall();
      const known = this.#attempts.get(event.id);
      if (!known) this.#remember(event.id, { event, at });
      else if (known.length < MAX_ATTEMPTS) known.push({ event, at });
    } else if (event.type === 'request-ended') {
      const attempts = this.#attempts.get(event.id) ?? [];
      this.#attempts.delete(event.id);
      const span = spanOf(event, this.#options.clock.wall(), attempts);
      if (span) this.#send(span);
    }
  };

  /** Sends what waits, within `FLUSH_MS`. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loading;
    const sender = this.#sender;
    this.#sender = undefined;
    // Its errors have been told of, batch by batch.
    const ended = sender?.end().catch(() => {});
    const over = new AbortController();
    if (ended) await Promise.race([ended, sleep(this.#options.clock, FLUSH_MS, over.signal)]);
    over.abort();
  }

  #send(span: RequestSpan): void {
    if (this.#sender) this.#sender.send(span);
    else if (this.#held && this.#held.length < MAX_HELD) this.#held.push(span);
  }

  /** A server that lost a race may end after its request, so that nobody fetches it: the oldest go. */
  #remember(id: string, attempt: EndedAttempt): void {
    const [oldest] = this.#attempts.keys();
    if (this.#attempts.size >= MAX_REQUESTS && oldest !== undefined) this.#attempts.delete(oldest);
    this.#attempts.set(id, [attempt]);
  }

  async #load({ otlp, log, version, mode }: OtelOptions): Promise<void> {
    try {
      if (otlp.type === 'unusable') return void log.warn('no spans are exported', { reason: otlp.why });
      const { startSpanSender } = await import('./otel-sdk.ts');
      const sender = startSpanSender({ version, mode, onBatch: this.#onBatch });
      for (const span of this.#held ?? []) sender.send(span);
      this.#sender = sender;
      log.info('spans of requests are exported', { to: otlp.origin });
    } catch (error) {
      const isAbsent = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
      const remedy = `install the packages of OpenTelemetry where ollana is, and start it again: ${INSTALL}`;
      log.error('no spans are exported', { reason: reasonOf(error), ...(isAbsent ? { remedy } : {}) });
    } finally {
      this.#held = undefined;
    }
  }

  readonly #onBatch = (spans: number, error: Error | undefined): void => {
    const { clock, log } = this.#options;
    if (!error) {
      if (this.#isTold) log.info('the collector takes spans again', { lost: this.#lost });
      this.#isTold = false;
      return;
    }
    this.#lost += spans;
    if (clock.now() - this.#warnedAt < WARN_EVERY_MS) return;
    this.#warnedAt = clock.now();
    this.#isTold = true;
    log.warn('the collector takes no spans, requests go on', { lost: this.#lost, reason: reasonOf(error) });
  };
}
