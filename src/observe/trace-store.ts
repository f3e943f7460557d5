import {
  closeTraceFile,
  openTraceFile,
  type Sqlite,
  type Statement,
  type TraceFileOptions,
} from './trace-file.ts';
import { type KeptRow, TRACE_COLUMNS } from './trace-row.ts';
import { migrate } from './trace-schema.ts';
import { addUp, type UsageHour } from './usage-hours.ts';

/** How much is kept. */
export interface Retention {
  /** Rows older than this are removed, ms. */
  readonly rowsMs: number;
  /** Hours of usage older than this are removed, ms. */
  readonly hoursMs: number;
  /** The file grows no larger than this; the oldest rows go first, bytes. */
  readonly maxBytes: number;
  /** Hours of usage times models, servers, apps and clients; the oldest go first. */
  readonly maxHourRows: number;
}

/**
 * A month answers "what was that last week?", some 400 days of hours "and a year ago?". 256 MB are some 400,000
 * requests among four servers, and nobody's laptop is full by them. Hours of one model, server, app and client take
 * some 100 bytes, so they may take 20 MB of it.
 */
export const RETENTION: Retention = {
  rowsMs: 30 * 24 * 3_600_000,
  hoursMs: 400 * 24 * 3_600_000,
  maxBytes: 256 * 1024 * 1024,
  maxHourRows: 200_000,
};

/** Rows removed at a time: some 20 ms of work, so that whoever asks meanwhile does not wait. */
const REMOVE_ROWS = 500;
/** What the size may grow by between two looks: a commit of all that may wait. */
const HEADROOM = 0.9;

const ADD_HOUR = `INSERT INTO usage_hours VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
  ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, failed = failed + excluded.failed,
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens, gpu_ms = gpu_ms + excluded.gpu_ms,
    latency_ms = latency_ms + excluded.latency_ms,
    energy_j = CASE WHEN excluded.energy_j IS NULL THEN energy_j
      ELSE coalesce(energy_j, 0) + excluded.energy_j END`;

/** The file of traces, opened. Everything in it takes its time: it is for a thread of its own. */
export class TraceStore {
  readonly db: Sqlite;
  readonly #path: string;
  readonly #retention: Retention;
  readonly #insert: Statement;
  readonly #addHour: Statement;

  /** Throws what SQLite or the file system says, and the Errors of `openTraceFile` and `migrate`. */
  constructor(options: TraceFileOptions, retention: Retention) {
    this.#path = options.path;
    this.#retention = retention;
    this.db = openTraceFile(options);
    try {
      migrate(this.db);
      this.#insert = this.db.prepare(
        `INSERT INTO request_traces (${TRACE_COLUMNS.join(',')}) VALUES (${TRACE_COLUMNS.map(() => '?').join(',')})`,
      );
      this.#addHour = this.db.prepare(ADD_HOUR);
    } catch (error) {
      closeTraceFile(this.db, this.#path);
      throw error;
    }
  }

  /**
   * Writes rows, all or none, and what those of use add to the usage of their hours. Where the file is nearly as large as
   * it may be, twice as many of the oldest go with them: however fast they come, it stays below. Throws what SQLite says.
   */
  add(rows: readonly KeptRow[]): void {
    this.#inTransaction(() => {
      for (const { cells } of rows) this.#insert.run([...cells]);
      for (const hour of addUp(rows)) this.#addHour.run(hourCells(hour));
      if (this.#isOver()) this.#removeOldest(2 * rows.length);
    });
  }

  /**
   * Removes some of what is too old or too much. Returns whether there is more. `wall` is now, ms since 1970. Throws
   * what SQLite says.
   */
  prune(wall: number): boolean {
    const { rowsMs } = this.#retention;
    const oldest = this.#number('SELECT min(id) AS n FROM request_traces');
    if (oldest === undefined) return this.#pruneHours(wall);
    const last = oldest + REMOVE_ROWS - 1;
    const found = this.db.get(
      'SELECT timestamp FROM request_traces WHERE id <= ? ORDER BY id DESC LIMIT 1',
      last,
    );
    const isOld = Number(found?.timestamp) * 1000 < wall - rowsMs;
    if (!this.#isOver() && !isOld) return this.#pruneHours(wall);
    this.#inTransaction(() => this.#removeOldest(REMOVE_ROWS));
    return true;
  }

  #isOver(): boolean {
    return this.usedBytes() > this.#retention.maxBytes * HEADROOM;
  }

  #removeOldest(count: number): void {
    this.db.run('DELETE FROM request_traces WHERE id < (SELECT min(id) FROM request_traces) + ?', count);
  }

  /** What rows and indexes take; room that was given back is used again, bytes. */
  usedBytes(): number {
    const pages = this.#number(
      'SELECT page_count - freelist_count AS n FROM pragma_page_count, pragma_freelist_count',
    );
    return (pages ?? 0) * (this.#number('SELECT page_size AS n FROM pragma_page_size') ?? 0);
  }

  /** Never throws. */
  close(): void {
    for (const statement of [this.#insert, this.#addHour]) {
      try {
        statement.finalize();
      } catch {
        // The error that ended it has been told.
      }
    }
    closeTraceFile(this.db, this.#path);
  }

  #pruneHours(wall: number): boolean {
    const { hoursMs, maxHourRows } = this.#retention;
    const oldest = this.#number('SELECT min(hour) AS n FROM usage_hours');
    if (oldest === undefined) return false;
    const isOld = oldest * 3_600_000 < wall - hoursMs;
    const isOver = (this.#number('SELECT count(*) AS n FROM usage_hours') ?? 0) > maxHourRows;
    if (!isOld && !isOver) return false;
    this.#inTransaction(() => void this.db.run('DELETE FROM usage_hours WHERE hour = ?', oldest));
    return true;
  }

  #number(sql: string): number | undefined {
    const n = this.db.get(sql)?.n;
    return typeof n === 'number' ? n : undefined;
  }

  #inTransaction(work: () => void): void {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.db.exec('COMMIT');
    } catch (error) {
      if (this.db.inTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
  }
}

function hourCells(hour: UsageHour): (string | number | null)[] {
  return [
    ...[hour.hour, hour.model, hour.server, hour.app, hour.client, hour.requests, hour.failed],
    ...[hour.promptTokens, hour.completionTokens, hour.gpuMs, hour.latencyMs, hour.energyJ],
  ];
}
