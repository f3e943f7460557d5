import type { Sqlite } from './trace-file.ts';
import { TRACE_COLUMNS } from './trace-row.ts';

const TYPES: Readonly<Record<string, string>> = {
  request_id: 'TEXT NOT NULL',
  timestamp: 'REAL NOT NULL',
  status: 'TEXT NOT NULL',
  latency_ms: 'REAL NOT NULL',
  time_to_first_token_ms: 'REAL',
  queue_ms: 'REAL',
  gpu_ms: 'REAL',
  prompt_tokens: 'INTEGER',
  completion_tokens: 'INTEGER',
  retry_count: 'INTEGER NOT NULL',
  http_status: 'INTEGER',
};

/** How much of a request id is indexed: as much as people type, and unique among millions nearly always. */
export const ID_PREFIX = 8;

/** Each brings a file to the next version; the first makes it. Never changed once released, only added to. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE request_traces (
     id INTEGER PRIMARY KEY,
     ${TRACE_COLUMNS.map((name) => `${name} ${TYPES[name] ?? 'TEXT'}`).join(', ')}
   );
   CREATE INDEX traces_by_request ON request_traces (substr(request_id, 1, ${ID_PREFIX}));
   CREATE INDEX traces_by_model ON request_traces (model, id);
   CREATE INDEX traces_by_node ON request_traces (node_id, id);
   CREATE INDEX traces_by_status ON request_traces (status, id);
   CREATE INDEX traces_by_app ON request_traces (app, id);
   CREATE TABLE usage_hours (
     hour INTEGER NOT NULL, model TEXT NOT NULL, node_id TEXT NOT NULL, app TEXT NOT NULL, client TEXT NOT NULL,
     requests INTEGER NOT NULL, failed INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
     completion_tokens INTEGER NOT NULL, gpu_ms REAL NOT NULL, latency_ms REAL NOT NULL, energy_j REAL,
     PRIMARY KEY (hour, model, node_id, app, client)
   ) WITHOUT ROWID;`,
];

/** The version that this ollana writes. */
const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings a file to the version of this ollana, each step whole or not at all. Throws an Error for a file of a newer
 * ollana, which is left as it is.
 */
export function migrate(db: Sqlite): void {
  const version = Number(db.get('PRAGMA user_version')?.user_version ?? 0);
  if (version > SCHEMA_VERSION)
    throw new Error(
      `it is of version ${version}, made by a newer ollana, and this one knows ${SCHEMA_VERSION}: update, or move the file away`,
    );
  for (const [at, step] of MIGRATIONS.entries()) {
    if (at < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${step} PRAGMA user_version=${at + 1}; COMMIT`);
  }
}
