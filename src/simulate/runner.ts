import type { StoredModel } from './models.ts';
import { PrefixCache } from './prefix-cache.ts';

/** What a request asks of the runner it gets. */
export interface Want {
  readonly numCtx: number;
  /** The other options whose change makes Ollama reload, as one comparable text. */
  readonly optionsKey: string;
  readonly keepAliveMs: number;
}

/** A loaded model with its slots. */
export class Runner {
  readonly model: StoredModel;
  readonly want: Want;
  readonly slots: number;
  readonly cache = new PrefixCache();
  /** Requests that hold a slot. */
  active = 0;
  /** Requests that hold or wait for a slot; at 0 the runner is idle and can be evicted. */
  references = 0;
  keepAliveMs: number;
  /** Wall time in milliseconds; stale while busy, as in Ollama. */
  expiresAt: number;
  /** Cancels the idle timer. */
  cancelExpiry: () => void = () => {};
  /** Ollama has no limit here; what bounds it are the sockets that the waiting hold open. */
  readonly #waiting = new Set<() => void>();
  readonly #onIdle = new Set<() => void>();

  constructor(model: StoredModel, want: Want, slots: number, expiresAt: number) {
    this.model = model;
    this.want = want;
    this.slots = slots;
    this.keepAliveMs = want.keepAliveMs;
    this.expiresAt = expiresAt;
  }

  /** Whether a request can use this runner as it is loaded. */
  serves(want: Want): boolean {
    return this.want.numCtx === want.numCtx && this.want.optionsKey === want.optionsKey;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  /** Waits for a slot, first come first served; rejects with the signal's reason when it aborts. */
  enter(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.active < this.slots) {
        this.active++;
        return resolve();
      }
      const leave = () => {
        this.#waiting.delete(go);
        reject(signal.reason);
      };
      const go = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      this.#waiting.add(go);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** Gives the slot back: to the longest waiting, if there is one. */
  leave(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.active--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }

  /** Resolves when no request uses the runner, or when `signal` aborts. */
  idle(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.references === 0 || signal.aborted) return resolve();
      const done = () => {
        this.#onIdle.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#onIdle.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Tells those who wait for `idle`. */
  becameIdle(): void {
    for (const done of [...this.#onIdle]) done();
  }
}
