import type { Sqlite } from './trace-file.ts';
import { ID_PREFIX } from './trace-schema.ts';

/** Which traces are wanted, newest first. */
export interface TraceQuery {
  /** A request's id, or at least 8 characters of its beginning. */
  readonly requestId?: string | undefined;
  readonly model?: string | undefined;
  /** Name of the server that answered last. */
  readonly server?: string | undefined;
  readonly status?: string | undefined;
  readonly app?: string | undefined;
  readonly client?: string | undefined;
  /** No older ones, ms since 1970. */
  readonly since?: number | undefined;
  /** Text that stands in the model, server, app, client, path or error. */
  readonly search?: string | undefined;
  /** Those that came before this row; see `next`. */
  readonly before?: number | undefined;
  /** Those that came after this row: whoever follows asks so. */
  readonly after?: number | undefined;
  readonly limit: number;
  /** Leaves the scores out, which are most of a row. */
  readonly brief?: boolean | undefined;
}

/** A row of the table, by its columns, with `id`. */
export type TraceRow = Readonly<Record<string, unknown>>;

/** A page of traces. */
export interface TracePage {
  readonly rows: readonly TraceRow[];
  /** `before` of the next page; null: there are no more. */
  readonly next: number | null;
  /** The newest row there is: `after` for whoever follows. */
  readonly newest: number;
}

/** Rows looked at for one page: some 30 ms. The rest is for the next page, which may be empty and have a next one, too. */
const MAX_LOOKED = 10_000;
/** ... of which words are looked for in this many: each row's texts have to be read. */
const MAX_SEARCHED = 3000;
/** Rows are written when requests end: none is older by more than this than those written before it, s. */
const LONGEST_S = 24 * 3600;
/** What `search` looks into. */
const SEARCHED = ['model', 'node_id', 'app', 'client', 'path', 'error_message', 'request_id'] as const;

/** The column with an index and the index, the one that leaves fewest rows first. */
const INDEXED = [
  ['app', 'app', 'traces_by_app'],
  ['server', 'node_id', 'traces_by_node'],
  ['model', 'model', 'traces_by_model'],
  ['status', 'status', 'traces_by_status'],
] as const;

/** Reads a page. Throws what SQLite says. */
export function readPage(db: Sqlite, query: TraceQuery): TracePage {
  const newest = Number(db.get('SELECT max(id) AS n FROM request_traces')?.n ?? 0);
  if (query.requestId !== undefined)
    return { rows: byId(db, query.requestId, query.limit), next: null, newest };
  const key = INDEXED.find(([name]) => query[name] !== undefined);
  const from = key ? `request_traces INDEXED BY ${key[2]}` : 'request_traces';
  const head = key ? [[`${key[1]} = ?`, String(query[key[0]])] as const] : [];
  const range = [
    ...head,
    ['id < ?', query.before ?? newest + 1] as const,
    ['id > ?', query.after ?? 0] as const,
  ];
  const most = query.search === undefined ? MAX_LOOKED : MAX_SEARCHED;
  const lowest = db.get(
    `SELECT min(id) AS low, count(*) AS n FROM (SELECT id FROM ${from} WHERE ${all(range)} ORDER BY id DESC LIMIT ${most})`,
    values(range),
  );
  if (!lowest || lowest.low === null) return { rows: [], next: null, newest };
  const low = Number(lowest.low);
  // One lower bound: of two, SQLite would go on to the one that it happens to take.
  const bounded = [...range.slice(0, -1), ['id >= ?', low] as const];
  const where = [...bounded, ...conditions(query, key?.[0])];
  const columns = query.brief ? BRIEF : '*';
  const rows = db.all(`SELECT ${columns} FROM ${from} WHERE ${all(where)} ORDER BY id DESC LIMIT ?`, [
    ...values(where),
    query.limit,
  ]) as TraceRow[];
  if (rows.length >= query.limit) return { rows, next: Number(rows.at(-1)?.id), newest };
  const isWhole = Number(lowest.n) < most || isTooOld(db, low, query.since);
  return { rows, next: isWhole ? null : low, newest };
}

const BRIEF = `id, request_id, timestamp, model, node_id, status, latency_ms, time_to_first_token_ms, prompt_tokens,
  completion_tokens, retry_count, error_message, app, client, queue_ms, gpu_ms, http_status, method, path, node_url`;

type Condition = readonly [sql: string, value: string | number];

function conditions(query: TraceQuery, indexed: string | undefined): Condition[] {
  const found: Condition[] = [];
  for (const [name, column] of [...INDEXED, ['client', 'client'] as const]) {
    const value = query[name];
    if (value !== undefined && name !== indexed) found.push([`${column} = ?`, value]);
  }
  if (query.since !== undefined) found.push(['timestamp >= ?', query.since / 1000]);
  if (query.search !== undefined) {
    const text = SEARCHED.map((column) => `coalesce(${column}, '')`).join(` || char(10) || `);
    found.push([`instr(lower(${text}), ?) > 0`, query.search.toLowerCase()]);
  }
  return found;
}

function byId(db: Sqlite, id: string, limit: number): TraceRow[] {
  const word = id.toLowerCase();
  if (word.length < ID_PREFIX) return [];
  return db.all(
    `SELECT * FROM request_traces WHERE substr(request_id, 1, ${ID_PREFIX}) = ? AND substr(request_id, 1, ?) = ?
     ORDER BY id DESC LIMIT ?`,
    [word.slice(0, ID_PREFIX), word.length, word, limit],
  ) as TraceRow[];
}

function isTooOld(db: Sqlite, id: number, since: number | undefined): boolean {
  if (since === undefined) return false;
  const at = Number(db.get('SELECT timestamp FROM request_traces WHERE id = ?', id)?.timestamp);
  return at < since / 1000 - LONGEST_S;
}

const all = (list: readonly Condition[]): string => list.map(([sql]) => sql).join(' AND ');
const values = (list: readonly Condition[]): (string | number)[] => list.map(([, value]) => value);
