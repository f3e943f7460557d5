import type { Worker } from 'node:worker_threads';
import type { Cancel, Clock } from '../clock.ts';
import { startOwnThread } from '../own-thread.ts';
import { joinBytes } from './join-bytes.ts';
import type { Aside, Seen } from './peek.ts';

/** A thread that has had nothing to do for this long ends, ms: it takes 11 MB, and 50 ms to begin. */
const IDLE_MS = 30_000;

/** A body for the thread. */
export interface LookAsk {
  readonly id: number;
  /** In memory that is shared, so that nothing is copied. */
  readonly body: Uint8Array;
}

/** What the thread saw in it. */
export interface LookAnswer extends Seen {
  readonly id: number;
}

/**
 * Looks through long bodies in a thread, one after the other: one made of millions of values or escapes keeps the scan
 * busy for a second, in which no other stream would go on.
 */
export class LongLook implements Aside {
  readonly #clock: Clock;
  readonly #waiting = new Map<number, (seen: Seen | undefined) => void>();
  #worker: Worker | undefined;
  #asked = 0;
  #stopIdle: Cancel = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async look(body: Buffer): Promise<Seen | undefined> {
    const shared = body.buffer instanceof SharedArrayBuffer ? body : await joinBytes([body]);
    this.#stopIdle();
    this.#asked += 1;
    const id = this.#asked;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker ??= this.#start();
      this.#worker.ref();
      this.#worker.postMessage({ id, body: shared } satisfies LookAsk);
    });
  }

  #start(): Worker {
    const worker = startOwnThread('ollama/long-look-thread');
    worker.on('message', ({ id, ...seen }: LookAnswer) => {
      const tell = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#rest(worker);
      tell?.(seen);
    });
    const end = () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#stopIdle();
      const left = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const tell of left) tell(undefined);
    };
    worker.on('error', end);
    worker.on('exit', end);
    return worker;
  }

  #rest(worker: Worker): void {
    worker.unref();
    this.#stopIdle = this.#clock.after(IDLE_MS, () => {
      this.#worker = undefined;
      void worker.terminate();
    });
  }
}
