import { join } from 'node:path';
import type { Cancel, Clock } from '../clock.ts';
import { readSmallFile, replaceFile } from '../config/private-file.ts';
import { reasonOf } from '../errors.ts';
import type { Costs } from './costs.ts';

/** Something about the file that its user may want to know; it ends nothing. */
export interface CostFileNotice {
  readonly type: 'cost-file-unreadable' | 'cost-file-unwritable';
  readonly file: string;
  readonly reason: string;
}

export interface CostFileOptions {
  /** The data directory; exists. */
  readonly dir: string;
  readonly costs: Costs;
  readonly clock: Clock;
  /** Must not throw. */
  readonly onNotice?: ((notice: CostFileNotice) => void) | undefined;
}

const NAME = 'costs.json';
const VERSION = 1;
/** What is learned in between is lost when the machine loses power: little. */
const WRITE_AFTER_MS = 30_000;
/** As many servers and models as are kept, with long names, take less. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Keeps what was learned over restarts, in one file for this user only, replaced whole or not at all. */
export class CostFile {
  readonly #options: CostFileOptions;
  readonly #path: string;
  #started: Promise<void> | undefined;
  #unlisten: Cancel = () => {};
  #cancel: Cancel | undefined;
  #dirty = false;
  #writing: Promise<void> = Promise.resolve();
  #disposed = false;

  constructor(options: CostFileOptions) {
    this.#options = options;
    this.#path = join(options.dir, NAME);
    this.#unlisten = options.costs.listen(() => this.#changed());
  }

  /** Takes what the file holds into the costs. Never rejects: a file that is broken or not ours is left out. */
  start(): Promise<void> {
    this.#started ??= this.#read();
    return this.#started;
  }

  /** Writes what has not been written yet. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#disposed) {
      this.#disposed = true;
      this.#unlisten();
      this.#cancel?.();
      await this.#started;
      this.#write();
    }
    await this.#writing;
  }

  async #read(): Promise<void> {
    try {
      const { version, costs } = (JSON.parse(await readSmallFile(this.#path, MAX_BYTES)) ?? {}) as {
        version?: unknown;
        costs?: unknown;
      };
      if (version !== VERSION || !Array.isArray(costs)) throw new Error('not a file of this version');
      this.#options.costs.load(costs);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#tell('cost-file-unreadable', error);
    }
  }

  #changed(): void {
    this.#dirty = true;
    this.#cancel ??= this.#options.clock.after(WRITE_AFTER_MS, () => {
      this.#cancel = undefined;
      this.#write();
    });
  }

  /** One write after the other: two at once would mix their drafts. */
  #write(): void {
    this.#writing = this.#writing.then(async () => {
      if (!this.#dirty) return;
      this.#dirty = false;
      const text = `${JSON.stringify({ version: VERSION, costs: this.#options.costs })}\n`;
      await replaceFile(this.#path, text).catch((error: unknown) =>
        this.#tell('cost-file-unwritable', error),
      );
    });
  }

  #tell(type: CostFileNotice['type'], error: unknown): void {
    this.#options.onNotice?.({ type, file: this.#path, reason: reasonOf(error) });
  }
}
