/** What a benchmark is told to measure. */
export interface BenchmarkOrder {
  /** As users spell them; empty: all that can be measured. */
  readonly models: readonly string[];
  /** Names, URLs or ids; empty: all but this machine's own Ollama, unless there is no other. */
  readonly servers: readonly string[];
  /** How often each prompt is asked, 1-10; figures are medians of that. */
  readonly rounds: number;
}

export const ROUNDS = Object.freeze({ fewest: 1, most: 10, usual: 1 });

/** One model at one server that is to be measured. */
export interface BenchmarkTarget {
  readonly deviceId: string;
  readonly server: string;
  /** As the server lists it. */
  readonly model: string;
  /** It was not in memory when the plan was made. */
  readonly cold: boolean;
  /** GPU time that it takes about, ms. */
  readonly aboutMs: number;
}

/** What a benchmark would do, told before it begins. */
export interface BenchmarkPlan {
  readonly rounds: number;
  /** Server by server; of each those in memory first. */
  readonly targets: readonly BenchmarkTarget[];
  readonly servers: number;
  /** Models that have to be loaded for it, which may push out others. */
  readonly loads: number;
  /** GPU time of all servers about, ms. */
  readonly gpuMs: number;
  /** How long it takes about, ms: servers are measured side by side. */
  readonly tookMs: number;
}

/** What one model at one server came to; null: not measured, or not told. */
export interface BenchmarkRow {
  readonly server: string;
  readonly deviceId: string;
  readonly model: string;
  readonly state: 'waiting' | 'measuring' | 'done' | 'failed' | 'cancelled';
  /** Answers that have ended, and how many there are to be. */
  readonly asked: number;
  readonly toAsk: number;
  /** Time to the first token of a short chat with the model in memory, without waiting for a slot, ms. */
  readonly firstTokenMs: number | null;
  /** Prompt tokens read a second. */
  readonly prefillPerS: number | null;
  /** Tokens written a second. */
  readonly decodePerS: number | null;
  /** Time to load it, ms; null also where it was in memory. */
  readonly loadMs: number | null;
  /** Others had work there at the same time: it can do more than was measured. */
  readonly shared: boolean;
  /** Why it failed. */
  readonly error: string | null;
}

/** A benchmark: under way, or as it ended. Whatever did not end as `done` is partial. */
export interface BenchmarkRun {
  readonly id: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** ISO 8601; null while it runs. */
  readonly endedAt: string | null;
  /** `cancelled` by whoever asked, `stopped` with the daemon. */
  readonly state: 'running' | 'done' | 'cancelled' | 'stopped';
  readonly rounds: number;
  readonly rows: readonly BenchmarkRow[];
}

/** What `GET /dashboard/api/benchmarks/current` answers. */
export interface BenchmarkNow {
  readonly current: BenchmarkRun | null;
  /** The one that ended last since the daemon started. */
  readonly last: BenchmarkRun | null;
}

/** What `GET /dashboard/api/benchmarks` answers. */
export interface BenchmarkReport extends BenchmarkNow {
  /** Those that have ended, the newest first. */
  readonly history: readonly BenchmarkRun[];
  /** Why the history could not be read or kept; null: it could. */
  readonly trouble: string | null;
}
