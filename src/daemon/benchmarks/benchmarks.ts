import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import { OllanaError } from '../../errors.ts';
import type { CostSample } from '../../fleet/cost-rules.ts';
import type { Pool, PoolServer } from '../../fleet/pool.ts';
import { isReached } from '../../fleet/verdict-rules.ts';
import type { Sample } from '../../observe/benchmark/figures.ts';
import { answersOf, type LoadOf, planOf } from '../../observe/benchmark/plan.ts';
import type {
  BenchmarkNow,
  BenchmarkOrder,
  BenchmarkPlan,
  BenchmarkReport,
  BenchmarkRow,
  BenchmarkRun,
  BenchmarkTarget,
} from '../../observe/benchmark/run.ts';
import { modelKey } from '../../ollama/names.ts';
import { commandKey } from '../../security/command-key.ts';
import { bad } from '../small-json.ts';
import { ask } from './ask.ts';
import { BenchmarkHistory } from './history.ts';
import { measure } from './measure.ts';

export interface BenchmarksOptions {
  readonly mode: 'client' | 'server';
  readonly clock: Clock;
  readonly dataDir: string;
  readonly pool: () => Pool;
  /** What is known of a server's speeds and queue. */
  readonly loadOf: LoadOf;
  /** Has those who choose servers learn from what was measured; `model` is a `modelKey`. */
  readonly learn: (server: PoolServer, model: string, sample: CostSample) => void;
  /** Where this machine's apps reach the daemon; asked when one begins. */
  readonly url: () => string;
}

interface Going {
  run: BenchmarkRun;
  readonly over: AbortController;
  /** Resolves with the run when it has ended and is kept. */
  ended: Promise<BenchmarkRun>;
}

/**
 * Measures models at servers, when somebody asks for it and never by itself. One at a time: servers side by side, but
 * at each of them one request after the other.
 */
export class Benchmarks {
  readonly #options: BenchmarksOptions;
  readonly #history: BenchmarkHistory;
  #going: Going | undefined;
  #last: BenchmarkRun | null = null;
  #closed = false;

  constructor(options: BenchmarksOptions) {
    this.#options = options;
    // One file a mode, as with all that a daemon keeps: both may run on one machine.
    this.#history = new BenchmarkHistory(join(options.dataDir, `benchmarks-${options.mode}.json`));
  }

  /** The one under way, and the one that ended last since the start. */
  now(): BenchmarkNow {
    return { current: this.#going?.run ?? null, last: this.#last };
  }

  /** The same, and those that are kept. */
  async report(): Promise<BenchmarkReport> {
    const history = await this.#history.runs();
    return { ...this.now(), history, trouble: this.#history.trouble };
  }

  /** What a benchmark would do. Throws the errors of `planOf`. */
  plan(order: BenchmarkOrder): BenchmarkPlan {
    return planOf(order, this.#options.pool(), this.#options.loadOf);
  }

  /**
   * Begins one. Throws OLLANA_BAD_REQUEST (409) while another is under way, OLLANA_DRAINING (503), and the errors of
   * `planOf`.
   */
  start(order: BenchmarkOrder): { readonly run: BenchmarkRun; readonly plan: BenchmarkPlan } {
    if (this.#closed)
      throw new OllanaError('OLLANA_DRAINING', 'this ollana is shutting down', {
        status: 503,
        retryAfterS: 1,
      });
    if (this.#going)
      throw bad(
        `a benchmark is running since ${this.#going.run.startedAt}: wait for its end, or cancel it`,
        409,
      );
    const plan = this.plan(order);
    const run: BenchmarkRun = {
      id: randomUUID(),
      startedAt: new Date(this.#options.clock.wall()).toISOString(),
      endedAt: null,
      state: 'running',
      rounds: plan.rounds,
      rows: plan.targets.map((target) => rowOf(target, plan.rounds)),
    };
    const going: Going = { run, over: new AbortController(), ended: Promise.resolve(run) };
    this.#going = going;
    going.ended = this.#work(going);
    return { run, plan };
  }

  /**
   * Ends the one under way, or the one of this id, at once. Resolves with what it has come to; undefined where there is
   * none such.
   */
  async cancel(id?: string): Promise<BenchmarkRun | undefined> {
    const going = this.#going;
    if (!going || (id !== undefined && id !== going.run.id)) return undefined;
    going.over.abort('cancelled');
    return going.ended;
  }

  /** Ends the one under way, and takes no other. Resolves when it is kept; never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#going?.over.abort('stopped');
    await this.#going?.ended;
  }

  async #work(going: Going): Promise<BenchmarkRun> {
    const { signal } = going.over;
    const byServer = new Map<string, number[]>();
    for (const [at, { deviceId }] of going.run.rows.entries())
      byServer.set(deviceId, [...(byServer.get(deviceId) ?? []), at]);
    await Promise.all([...byServer.values()].map((rows) => this.#measureServer(going, rows)));
    const run: BenchmarkRun = {
      ...going.run,
      endedAt: new Date(this.#options.clock.wall()).toISOString(),
      state: signal.aborted ? (signal.reason === 'stopped' ? 'stopped' : 'cancelled') : 'done',
    };
    // What has measured nothing is no history.
    if (run.rows.some(({ asked, state }) => asked > 0 || state === 'failed')) await this.#history.add(run);
    this.#last = run;
    this.#going = undefined;
    return run;
  }

  async #measureServer(going: Going, at: readonly number[]): Promise<void> {
    const { clock, dataDir, url } = this.#options;
    for (const index of at) {
      const row = going.run.rows[index];
      if (!row) continue;
      const put = (changed: BenchmarkRow) => {
        going.run = { ...going.run, rows: going.run.rows.with(index, changed) };
      };
      if (going.over.signal.aborted) {
        put({ ...row, state: 'cancelled' });
        continue;
      }
      const key = commandKey(dataDir);
      await measure(
        row,
        {
          clock,
          rounds: going.run.rounds,
          ask: (question, signal) =>
            ask({ clock, url: url(), key, isThere: () => this.#find(row) !== undefined }, question, signal),
          look: () => this.#look(row),
          others: (ours) => this.#others(row, ours),
          onSample: (sample) => this.#learn(row, sample),
          onStep: put,
        },
        going.over.signal,
      );
    }
  }

  #look(row: BenchmarkRow) {
    const server = this.#find(row);
    return server && { cold: !server.loadedKeys.has(modelKey(row.model)) };
  }

  #others(row: BenchmarkRow, ours: number): number {
    const server = this.#find(row);
    const rows = Object.values((server && this.#options.loadOf(server)?.models) ?? {});
    const all = rows.reduce((sum, { active, queued }) => sum + active + queued, 0);
    // Where nobody else has its model a plain Ollama needs no queue, and no work is known of it.
    return Math.max(0, all - ours);
  }

  /** Undefined where nobody reaches it. */
  #find({ deviceId }: BenchmarkRow): PoolServer | undefined {
    const server = this.#options.pool().find((one) => one.deviceId === deviceId);
    return server && isReached(server.verdict) ? server : undefined;
  }

  #learn(row: BenchmarkRow, { cold, counters }: Sample): void {
    const server = this.#find(row);
    if (server) this.#options.learn(server, modelKey(row.model), { ...counters, wasCold: cold, sharing: 1 });
  }
}

function rowOf({ deviceId, server, model, cold }: BenchmarkTarget, rounds: number): BenchmarkRow {
  return {
    server,
    deviceId,
    model,
    state: 'waiting',
    asked: 0,
    toAsk: answersOf(cold, rounds),
    firstTokenMs: null,
    prefillPerS: null,
    decodePerS: null,
    loadMs: null,
    shared: false,
    error: null,
  };
}
