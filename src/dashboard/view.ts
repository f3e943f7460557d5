import type { MachineFacts } from '../fleet/machine-facts.ts';
import type { HealthReport } from '../observe/health/report.ts';
import type { Considered } from '../routing/considered.ts';

/** The daemon itself, as its page shows it. */
export interface DaemonView {
  readonly mode: 'client' | 'server';
  readonly name: string;
  readonly version: string;
  readonly url: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly pairing: 'open' | 'required';
  readonly inFlight: number;
}

/** A server and what seldom changes of it. */
export interface ServerView {
  readonly name: string;
  readonly url: string;
  readonly kind: 'ollana' | 'ollama' | 'local';
  readonly sources: readonly string[];
  readonly verdict: 'reliable' | 'unreliable' | 'second-chance';
  readonly reason: string | null;
  /** ISO 8601. */
  readonly since: string;
  readonly version: string | null;
  /** How many models it holds. */
  readonly models: number;
  readonly loaded: readonly LoadedView[];
  readonly machine: Omit<MachineFacts, 'atMs'> | null;
}

/** A model in a server's memory. */
export interface LoadedView {
  readonly name: string;
  /** Bytes in GPU memory; null where it is not told. */
  readonly sizeVram: number | null;
  readonly contextLength: number | null;
}

/** What runs and waits at a server. */
export interface LoadView {
  readonly inFlight: number;
  readonly latencyMs: number | null;
  /** Null where nobody tells. */
  readonly queued: number | null;
  readonly busy: readonly ModelLoadView[];
}

/** A model with work at a server, or whose speed there is known. */
export interface ModelLoadView {
  readonly model: string;
  readonly active: number;
  readonly queued: number;
  readonly slots: number;
  readonly loading: boolean;
  /** Tokens written a second by one request; null: not known yet. */
  readonly decodePerS: number | null;
  /** Tokens of prompts read a second. */
  readonly prefillPerS: number | null;
}

/** A request that is at a server now. */
export interface RunningView {
  readonly id: string;
  /** When it was sent there, ms since 1970. */
  readonly at: number;
  readonly model: string | null;
  readonly server: string;
}

/** A request that ended just now. */
export interface RequestView {
  readonly id: string;
  /** Ms since 1970. */
  readonly at: number;
  readonly model: string | null;
  readonly server: string | null;
  readonly outcome: string;
  readonly durationMs: number;
  readonly firstByteMs: number | null;
  readonly tokens: number | null;
  /** Tokens written a second; null where it cannot be told. */
  readonly tokensPerS: number | null;
  readonly app: string | null;
  readonly error: string | null;
}

/** The last minutes in steps of `PULSE_MS`, the oldest first. */
export interface PulseView {
  /** When the last step began, ms since 1970. */
  readonly at: number;
  readonly requests: readonly number[];
  readonly tokens: readonly number[];
  readonly failed: readonly number[];
}

/** One option, as Settings shows it. */
export interface SettingView {
  readonly option: string;
  readonly value: string | number | boolean | readonly string[] | null;
  readonly unit: 'ms' | null;
  /** Who decides; `set`: somebody, but nobody knows any more who it was. */
  readonly by: 'flag' | 'variable' | 'file' | 'default' | 'set';
  /** `--hold`, `OLLANA_HOLD`, `FILE:LINE`, `default` or `set`. */
  readonly source: string;
  readonly kind: 'value' | 'list' | 'switch';
  /** What a value looks like. */
  readonly hint: string | null;
  /** The words that it takes, where these are all. */
  readonly choices: readonly string[] | null;
  /** `POST /dashboard/api/settings` takes it. */
  readonly settable: boolean;
  readonly variable: string;
  /** With dashes; of a switch that is on by default, the form that puts it off, which `help` is about. */
  readonly flag: string;
  readonly help: string;
  /** It counts when it is saved, or after `ollana reload`; otherwise after a new start. */
  readonly live: boolean;
}

/** All that the page is told live, by its key; `server:` and `load:` are followed by the server's URL. */
export interface LiveView {
  readonly daemon: DaemonView;
  readonly health: HealthReport;
  /** The oldest 40. */
  readonly running: readonly RunningView[];
  readonly recent: readonly RequestView[];
  readonly pulse: PulseView;
  readonly [server: `server:${string}`]: ServerView;
  readonly [load: `load:${string}`]: LoadView;
}

/** What the stream sends: the whole as `snapshot`, what is another than before as `delta`. */
export interface LiveChange {
  readonly set: Readonly<Record<string, unknown>>;
  readonly gone: readonly string[];
}

/** A request as `/dashboard/api/traces` tells it. */
export interface TraceView {
  readonly request_id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly model: string | null;
  readonly node_id: string | null;
  readonly status: string;
  readonly latency_ms: number;
  readonly time_to_first_token_ms: number | null;
  readonly queue_ms: number | null;
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
  readonly gpu_ms: number | null;
  readonly retry_count: number;
  readonly error_message: string | null;
  readonly app: string | null;
  readonly client: string | null;
  readonly path: string | null;
  readonly reason: string | null;
  readonly changed: string | null;
  readonly scores: readonly Considered[];
}
