import type { Worker } from 'node:worker_threads';
import { type Cancel, type Clock, sleep } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import { startOwnThread } from '../own-thread.ts';
import type { Log } from './log.ts';
import { keptRow, type Trace } from './trace-row.ts';
import type { Retention } from './trace-store.ts';
import type { FromThread, ThreadData, ToThread, TraceAnswers, TraceAsk } from './trace-wire.ts';

export interface TracesOptions {
  /** Whole path of the database; its directory exists. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Other than usual; for tests and benchmarks. */
  readonly retention?: Partial<Retention>;
}

/** Rows are handed over together, this long after the first, ms. */
const HAND_OVER_AFTER_MS = 100;
/** ... or when there are so many: more at a time would hold the loop up. */
const HAND_OVER_ROWS = 50;
/** Rows that are not written yet, some 10 MB of them: a disk that stands still must not fill the memory. */
const MAX_WAITING = 10_000;
/** Questions that are not answered yet; each takes some 30 ms. */
const MAX_ASKED = 32;
/** Whoever asks has gone by then, ms. */
const ANSWER_MS = 10_000;
/** The last rows are written in a fraction of it, ms. */
const CLOSE_MS = 5000;

/**
 * Keeps what happened to each request in a file, which a thread of its own writes and reads: nothing here waits for a
 * disk. Rows are in the file within a second. What cannot be written is lost, counted and told of once; requests go on.
 */
export class Traces implements AsyncDisposable {
  readonly #options: TracesOptions;
  #worker: Worker | undefined;
  #ended = false;
  #rows: string[] = [];
  #cancel: Cancel | undefined;
  #waiting = 0;
  #lost = 0;
  #isLosing = false;
  #asked = 0;
  readonly #answers = new Map<number, (message: FromThread & { type: 'answer' }) => void>();

  constructor(options: TracesOptions) {
    this.#options = options;
  }

  /** Rows that could not be kept since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Rows that are not in the file yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Keeps a trace. Takes some microseconds, whatever the disk does. */
  keep(trace: Trace): void {
    if (this.#ended) return;
    if (this.#waiting >= MAX_WAITING) {
      this.#lose('the disk does not keep up');
      return;
    }
    this.#waiting += 1;
    this.#rows.push(JSON.stringify(keptRow(trace)));
    if (this.#rows.length >= HAND_OVER_ROWS) this.#handOver();
    else this.#cancel ??= this.#options.clock.after(HAND_OVER_AFTER_MS, () => this.#handOver());
  }

  /** Asks the file. Rejects with OLLANA_BUSY (503) when it does not answer or too many ask, or cannot be read. */
  async ask<T extends TraceAsk>(ask: T): Promise<TraceAnswers[T['type']]> {
    if (this.#ended || this.#answers.size >= MAX_ASKED) throw busy('too many ask at once');
    this.#handOver();
    this.#asked += 1;
    const id = this.#asked;
    const { clock } = this.#options;
    try {
      const answer = await new Promise<(FromThread & { type: 'answer' }) | undefined>((resolve) => {
        const cancel = clock.after(ANSWER_MS, () => resolve(undefined));
        this.#answers.set(id, (message) => {
          cancel();
          resolve(message);
        });
        this.#post({ type: 'ask', id, ask });
        this.#worker?.ref();
      });
      if (!answer) throw busy('the disk does not answer');
      if (answer.error !== undefined) throw busy(answer.error);
      return answer.value as TraceAnswers[T['type']];
    } finally {
      this.#answers.delete(id);
      if (this.#answers.size === 0 && !this.#ended) this.#worker?.unref();
    }
  }

  /** Writes what waits. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#handOver();
    this.#ended = true;
    const worker = this.#worker;
    if (!worker) return;
    // Nothing else may be left that keeps the process until the last rows are written.
    worker.ref();
    const over = new AbortController();
    worker.once('exit', () => over.abort());
    worker.postMessage({ type: 'close' } satisfies ToThread);
    await sleep(this.#options.clock, CLOSE_MS, over.signal);
    await worker.terminate();
  }

  #handOver(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    this.#rows = [];
    this.#post({ type: 'rows', rows });
  }

  #post(message: ToThread): void {
    this.#worker ??= this.#start();
    this.#worker.postMessage(message);
  }

  /** Begun when there is something to write or to ask: many a short-lived ollana has neither. */
  #start(): Worker {
    const { path, retention, log } = this.#options;
    const worker = startOwnThread('observe/traces-worker', { path, retention } satisfies ThreadData);
    worker.on('message', (message: FromThread) => this.#hear(message));
    const end = (reason: string) => {
      if (this.#ended) return;
      this.#ended = true;
      log.error('requests are not kept any more until a restart, all else goes on', { file: path, reason });
      for (const [id, answer] of this.#answers) answer({ type: 'answer', id, error: reason });
    };
    worker.on('error', (error) => end(error.message));
    worker.on('exit', (code) => end(`its thread ended with ${code}`));
    // Whoever ends without disposing does not hang; the last rows are lost then.
    worker.unref();
    return worker;
  }

  #hear(message: FromThread): void {
    const { path, log } = this.#options;
    switch (message.type) {
      case 'settled':
        this.#waiting -= message.count;
        this.#lost += message.lost;
        if (message.lost > 0 || !this.#isLosing) break;
        this.#isLosing = false;
        log.info('requests are kept again', { file: path, lost: this.#lost });
        break;
      case 'answer':
        this.#answers.get(message.id)?.(message);
        break;
      case 'unwritable':
        this.#isLosing = true;
        log.error(
          'requests cannot be kept and go on without: make room, or let this user write there; it is tried again',
          { file: path, reason: message.reason },
        );
        break;
      case 'put-aside': {
        const { name: kept, reason } = message;
        log.warn('the file of requests cannot be read, a new one is begun', { file: path, kept, reason });
      }
    }
  }

  #lose(reason: string): void {
    this.#lost += 1;
    if (this.#isLosing) return;
    this.#isLosing = true;
    this.#options.log.warn('requests are not kept for now and go on', { file: this.#options.path, reason });
  }
}

function busy(reason: string): OllanaError {
  return new OllanaError('OLLANA_BUSY', `what was kept of requests cannot be read now: ${reason}`, {
    status: 503,
    retryAfterS: 5,
  });
}
