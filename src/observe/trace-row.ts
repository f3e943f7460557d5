/** How a request ended, in the words of the load balancers that others know; they call `failed` what is `refused` here. */
export const TRACE_STATUSES = [
  'completed',
  'retried',
  'failed',
  'refused',
  'incomplete',
  'client_disconnected',
] as const;

/**
 * `completed`: one server answered it. `retried`: another one did, after a first had failed. `failed`: no answer, or an
 * error. `refused`: for a reason of the client's own, such as a model that is nowhere. `incomplete`: the answer broke off. `client_disconnected`: the client left before its end.
 */
export type TraceStatus = (typeof TRACE_STATUSES)[number];

/** What a decision knew of one server: see `Considered` in routing; kept as it came. */
export type TraceScore = Readonly<Record<string, string | number | boolean | null>>;

/** What is kept of one request: never its prompt, its answer or a header. Undefined where nobody told. */
export interface Trace {
  readonly requestId: string;
  /** When it came, ms since 1970. */
  readonly at: number;
  readonly model: string | undefined;
  /** A model was to work for it, so that it counts as use. */
  readonly isUse: boolean;
  /** Name of the server that answered last. */
  readonly server: string | undefined;
  readonly serverUrl: string | undefined;
  readonly status: TraceStatus;
  /** From its arrival to its end, ms. */
  readonly latencyMs: number;
  readonly ttftMs: number | undefined;
  /** Without a server to send to, ms. */
  readonly queueMs: number;
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
  /** What Ollama says that reading and writing took, ms. */
  readonly gpuMs: number | undefined;
  readonly retries: number;
  readonly error: string | undefined;
  readonly app: string | undefined;
  /** Address that asked. */
  readonly client: string;
  readonly method: string;
  readonly path: string;
  /** HTTP status that the client saw. */
  readonly httpStatus: number | undefined;
  /** Why that server was chosen. */
  readonly reason: string | undefined;
  /** What the user lets ollana change was changed. */
  readonly changed: string | undefined;
  /** The servers that were weighed against each other, best first; empty where there was no choice. */
  readonly scores: readonly TraceScore[];
}

/** Column and how a trace fills it, in the order of the table; the names of the first ones are known to others. */
const COLUMNS: readonly (readonly [string, (trace: Trace) => unknown])[] = [
  ['request_id', (t) => t.requestId],
  ['timestamp', (t) => Math.round(t.at) / 1000],
  ['model', (t) => t.model],
  ['node_id', (t) => t.server],
  ['status', (t) => t.status],
  ['latency_ms', (t) => tenths(t.latencyMs)],
  ['time_to_first_token_ms', (t) => tenths(t.ttftMs)],
  ['prompt_tokens', (t) => t.promptTokens],
  ['completion_tokens', (t) => t.completionTokens],
  ['retry_count', (t) => t.retries],
  ['error_message', (t) => t.error],
  ['app', (t) => t.app],
  ['client', (t) => t.client],
  ['queue_ms', (t) => tenths(t.queueMs)],
  ['gpu_ms', (t) => tenths(t.gpuMs)],
  ['http_status', (t) => t.httpStatus],
  ['method', (t) => t.method],
  ['path', (t) => t.path],
  ['node_url', (t) => t.serverUrl],
  ['reason', (t) => t.reason],
  ['changed', (t) => t.changed],
  // Last: long rows go on in other pages, and who does not ask for this column does not read those.
  ['scores', (t) => (t.scores.length > 0 ? JSON.stringify(t.scores) : null)],
];

/** The columns of `request_traces`, less its own `id`. */
export const TRACE_COLUMNS: readonly string[] = COLUMNS.map(([name]) => name);

/** Longer texts are somebody's mistake, or meant to fill the disk. */
const MAX_TEXT = 500;
/** Twenty servers with all that is known of each. */
const MAX_SCORES = 8000;

/** What one column holds. */
export type Cell = string | number | null;

/** A trace for the file. */
export interface KeptRow {
  readonly cells: readonly Cell[];
  /** It counts in the usage of its hour. */
  readonly isUse: boolean;
}

/** Pure. */
export function keptRow(trace: Trace): KeptRow {
  return { cells: cellsOf(trace), isUse: trace.isUse };
}

/** A trace as the values of `TRACE_COLUMNS`, texts cut. Pure. */
function cellsOf(trace: Trace): Cell[] {
  return COLUMNS.map(([name, of]) => {
    const value = of(trace);
    if (typeof value === 'number') return value;
    if (typeof value !== 'string') return null;
    if (name === 'scores') return value.length <= MAX_SCORES ? value : null;
    return value.slice(0, MAX_TEXT);
  });
}

function tenths(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}
