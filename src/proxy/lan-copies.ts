import { type OllanaError, reasonOf } from '../errors.ts';
import { type CopyPlan, copyModel, planCopy } from '../server/copy-model.ts';
import type { StreamOptions } from '../server/stream-request.ts';
import type { PullAnswer } from './pull-answer.ts';

/** Copies under way at once; more pulls go to the internet as ever. */
const MAX_COPIES = 8;

/** The copies of models that are under way, each model once, however many pulls want it. */
export class LanCopies {
  readonly #ollama: string;
  /** By the digest of the model. */
  readonly #running = new Map<string, Promise<void>>();

  /** `ollama` is the base URL of the Ollama that gets the files. */
  constructor(ollama: string) {
    this.#ollama = ollama;
  }

  /** No other model is copied now. */
  get isFull(): boolean {
    return this.#running.size >= MAX_COPIES;
  }

  /**
   * Copies the files, unless a copy of the same runs, which is waited for; resolves with why not all of them are here
   * now, undefined when they are.
   */
  async copy(
    plan: CopyPlan,
    answer: PullAnswer,
    say: (status: string) => void,
    options: StreamOptions,
  ): Promise<string | undefined> {
    const { digest } = plan.from;
    const running = this.#running.get(digest);
    if (running) {
      answer.tell({ status: 'waiting for the copy of it that is under way' });
      await Promise.race([running, aborted(options.signal)]);
      const again = options.signal.aborted
        ? undefined
        : await planCopy(plan.neighbours, this.#ollama, () => {}, options);
      if (!again) return 'no server gives it any more';
      return this.copy(again, answer, say, options);
    }
    const copied = this.#run(plan, answer, say, options);
    const ended = copied.then(
      () => {},
      () => {},
    );
    this.#running.set(digest, ended);
    void ended.then(() => this.#running.delete(digest));
    return copied;
  }

  async #run(
    plan: CopyPlan,
    answer: PullAnswer,
    say: (status: string) => void,
    options: StreamOptions,
  ): Promise<string | undefined> {
    const { clock } = options;
    const { name } = plan.from;
    const startedAt = clock.now();
    let bytes = 0;
    let completed = 0;
    answer.tell({ status: `copying from ${name} (LAN)`, from: name });
    try {
      await copyModel(plan, {
        ...options,
        ollama: this.#ollama,
        onRefused: say,
        onPart: () => {
          completed = 0;
        },
        onBytes: ({ digest, size }, count, { name: giver }) => {
          bytes += count;
          completed += count;
          const status = `copying ${digest.slice(7, 19)} from ${giver} (LAN)`;
          answer.step({ status, digest, total: size, completed, from: giver });
        },
      });
    } catch (error) {
      if (options.signal.aborted || (error as OllanaError).code === 'OLLANA_DISK_FULL') throw error;
      const why = reasonOf(error);
      say(`${why}; going on from the internet`);
      return why;
    }
    const seconds = Math.max(0.001, (clock.now() - startedAt) / 1000);
    const pace = `${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s, ${(bytes / 1e6 / seconds).toFixed(1)} MB/s`;
    say(bytes > 0 ? `copied from ${name} (LAN): ${pace}` : 'all of its files are here already');
    return undefined;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
