import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { readSmallFile, replaceFile } from '../config/private-file.ts';
import { reasonOf } from '../errors.ts';
import type { WakeBook } from './wake-book.ts';

export interface WakeFileOptions {
  /** The data directory; exists. */
  readonly dir: string;
  readonly book: WakeBook;
  readonly clock: Clock;
  /** The file cannot be read, or not be written, and why. Must not throw. */
  readonly onTrouble: (what: 'read' | 'write', file: string, reason: string) => void;
}

const NAME = 'wake.json';
const VERSION = 1;
/** As many servers and models as are kept, with long names, take less. */
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Keeps which servers can be woken over restarts, in one file for this user only, replaced whole or not at all: a laptop
 * that starts while the server sleeps has nobody else to ask.
 */
export class WakeFile implements AsyncDisposable {
  readonly #options: WakeFileOptions;
  readonly #path: string;
  #wanted = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: WakeFileOptions) {
    this.#options = options;
    this.#path = join(options.dir, NAME);
  }

  /** Takes what the file holds into the book. Never rejects: a file that is broken or not ours is left out. */
  async read(): Promise<void> {
    const { book, clock, onTrouble } = this.#options;
    try {
      const { version, servers } = (JSON.parse(await readSmallFile(this.#path, MAX_BYTES)) ?? {}) as {
        version?: unknown;
        servers?: unknown;
      };
      if (version !== VERSION || !Array.isArray(servers)) throw new Error('not a file of this version');
      book.load(servers, clock.wall());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onTrouble('read', this.#path, reasonOf(error));
    }
  }

  /** Writes the book soon: one write after the other, and one for all that changes meanwhile. */
  write(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#writing = this.#writing.then(async () => {
      this.#wanted = false;
      const text = `${JSON.stringify({ version: VERSION, servers: this.#options.book })}\n`;
      await replaceFile(this.#path, text).catch((error: unknown) =>
        this.#options.onTrouble('write', this.#path, reasonOf(error)),
      );
    });
  }

  /** Resolves when all is written. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }
}
