import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { readLastUses } from './last-used.ts';
import { putAside, type Sqlite } from './trace-file.ts';
import { readPage } from './trace-query.ts';
import type { KeptRow } from './trace-row.ts';
import { RETENTION, TraceStore } from './trace-store.ts';
import type { FromThread, ThreadData, ToThread, TraceAsk } from './trace-wire.ts';
import { readUsage } from './usage-query.ts';

/** With what they waited before they came here, and what a commit takes, rows wait for less than a second, ms. */
const COMMIT_AFTER_MS = 500;
/** A disk that is full stays so for a while; a file that cannot be opened is looked at again after this, ms. */
const RETRY_AFTER_MS = 10_000;
/** What is too much is removed in small parts with pauses between, in which others are answered, ms. */
const PRUNE_PAUSE_MS = 20;
/** Age alone is looked at this often, ms. */
const PRUNE_EVERY_MS = 60_000;

/**
 * The thread that has the file of traces: all that waits for a disk waits here. It opens the file when it is first
 * needed; while that fails, rows are lost and counted, and tried again after some seconds.
 */
class Thread {
  readonly #path: string;
  readonly #retention: typeof RETENTION;
  readonly #tell: (message: FromThread) => void;
  #store: TraceStore | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;
  #failed: string | undefined;
  #waiting: string[] = [];
  #due = false;
  #pruning = false;

  constructor({ path, retention }: ThreadData, tell: (message: FromThread) => void) {
    this.#path = path;
    this.#retention = { ...RETENTION, ...retention };
    this.#tell = tell;
    systemClock.every(PRUNE_EVERY_MS, () => this.#prune());
  }

  hear(message: ToThread): void {
    if (message.type === 'rows') this.#take(message.rows);
    else if (message.type === 'ask') this.#answer(message.id, message.ask);
    else {
      this.#commit();
      this.#store?.close();
      parentPort?.close();
    }
  }

  #take(rows: readonly string[]): void {
    for (const row of rows) this.#waiting.push(row);
    if (this.#due) return;
    this.#due = true;
    systemClock.after(COMMIT_AFTER_MS, () => this.#commit());
  }

  #commit(): void {
    this.#due = false;
    const rows = this.#waiting;
    if (rows.length === 0) return;
    this.#waiting = [];
    try {
      const store = this.#open();
      if (store) {
        store.add(rows.map((row) => JSON.parse(row) as KeptRow));
        this.#failed = undefined;
      }
      this.#tell({ type: 'settled', count: rows.length, lost: store ? 0 : rows.length });
    } catch (error) {
      this.#tell({ type: 'settled', count: rows.length, lost: rows.length });
      this.#fail(error);
    }
    this.#prune();
  }

  /** The file, opened if need be; undefined while it is of no use to try again. */
  #open(): TraceStore | undefined {
    if (this.#store) return this.#store;
    const now = systemClock.now();
    if (now - this.#triedAt < RETRY_AFTER_MS) return undefined;
    this.#triedAt = now;
    const options = { path: this.#path, isOther: isOtherOllana };
    try {
      this.#store = new TraceStore(options, this.#retention);
    } catch (error) {
      if (!isBroken(error)) throw error;
      this.#tell({ type: 'put-aside', reason: reasonOf(error), name: putAside(this.#path) });
      this.#store = new TraceStore(options, this.#retention);
    }
    return this.#store;
  }

  /** What went wrong once may have left the file half open: it is closed, and opened anew later. */
  #fail(error: unknown): void {
    if (this.#store) {
      this.#store.close();
      this.#store = undefined;
      this.#triedAt = isBroken(error) ? Number.NEGATIVE_INFINITY : systemClock.now();
    }
    if (this.#failed === undefined) this.#tell({ type: 'unwritable', reason: reasonOf(error) });
    this.#failed = reasonOf(error);
  }

  #answer(id: number, ask: TraceAsk): void {
    try {
      // Whoever asks right after a request wants to see it.
      this.#commit();
      const db = this.#open()?.db;
      if (!db) throw new Error(this.#failed ?? 'the file of traces cannot be opened');
      this.#tell({ type: 'answer', id, value: answerTo(db, ask) });
    } catch (error) {
      this.#tell({ type: 'answer', id, error: reasonOf(error) });
      if (isBroken(error)) this.#fail(error);
    }
  }

  #prune(): void {
    if (this.#pruning || !this.#store) return;
    try {
      this.#pruning = this.#store.prune(systemClock.wall());
    } catch (error) {
      this.#fail(error);
    }
    if (!this.#pruning) return;
    systemClock.after(PRUNE_PAUSE_MS, () => {
      this.#pruning = false;
      this.#prune();
    });
  }
}

function answerTo(db: Sqlite, ask: TraceAsk): unknown {
  if (ask.type === 'page') return readPage(db, ask.query);
  return ask.type === 'usage' ? readUsage(db, ask.query) : readLastUses(db);
}

/** What SQLite says of a file that is none of its own, or damaged. */
function isBroken(error: unknown): boolean {
  return /not a database|malformed/i.test(reasonOf(error));
}

/** A dead process leaves its id to others, so where the system tells what a process runs, only an ollana counts. */
function isOtherOllana(pid: number): boolean {
  // In a container every run may get the same id: a file that names us is from an earlier life.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('ollana');
  } catch {
    return true;
  }
}

const thread = new Thread(workerData as ThreadData, (message) => parentPort?.postMessage(message));
parentPort?.on('message', (message: ToThread) => thread.hear(message));
