import { readSmallFile, replaceFile } from '../../config/private-file.ts';
import { reasonOf } from '../../errors.ts';
import { keptRun, newestRuns, readRuns } from '../../observe/benchmark/kept.ts';
import type { BenchmarkRun } from '../../observe/benchmark/run.ts';

/** As many runs as are kept, with the longest names, take less. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The benchmarks that have ended, in one file for this user only, replaced whole or not at all. */
export class BenchmarkHistory {
  readonly #path: string;
  #runs: Promise<readonly BenchmarkRun[]> | undefined;
  #trouble: string | null = null;

  /** `path` is that of the file; nothing is read before it is needed. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Why the file could not be read or written; null: it could. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** The newest first. Never rejects: a file that is broken or not ours counts as empty. */
  runs(): Promise<readonly BenchmarkRun[]> {
    this.#runs ??= this.#read();
    return this.#runs;
  }

  /** Keeps one more, and forgets what is too old. Never rejects; not twice at once. */
  async add(run: BenchmarkRun): Promise<void> {
    const runs = newestRuns([keptRun(run), ...(await this.runs())]);
    this.#runs = Promise.resolve(runs);
    try {
      await replaceFile(this.#path, `${JSON.stringify({ version: 1, runs })}\n`);
      this.#trouble = null;
    } catch (error) {
      this.#trouble = `the benchmarks cannot be kept in ${this.#path}: ${reasonOf(error)}`;
    }
  }

  async #read(): Promise<readonly BenchmarkRun[]> {
    try {
      return readRuns(JSON.parse(await readSmallFile(this.#path, MAX_BYTES)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#trouble = `earlier benchmarks cannot be read from ${this.#path}: ${reasonOf(error)}`;
      return [];
    }
  }
}
