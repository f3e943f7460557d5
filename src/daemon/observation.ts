import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { CommonConfig } from '../config.ts';
import { tracePaths } from '../dashboard/trace-paths.ts';
import { reasonOf } from '../errors.ts';
import type { ServerLoad } from '../fleet/load.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { BodyLog } from '../observe/body-log.ts';
import { EndedTally } from '../observe/ended-tally.ts';
import { EventStream } from '../observe/event-stream.ts';
import { LateMetrics } from '../observe/late-metrics.ts';
import type { Log } from '../observe/log.ts';
import { narrate } from '../observe/narrate.ts';
import { narrateEmoji } from '../observe/narrate-emoji.ts';
import { Otel } from '../observe/otel.ts';
import { traceOf } from '../observe/trace-of.ts';
import { Traces } from '../observe/traces.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { metricsPath } from './metrics-path.ts';
import { PastUsage } from './past-usage.ts';

export interface ObservationOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly mode: string;
  /** The servers as they are now; asked from when the daemon runs. */
  readonly pool: () => readonly PoolServer[];
  /** What runs and waits at each server of which that is known. */
  readonly loads: () => Iterable<ServerLoad>;
  /** Throws when a request shows no API key and one is required. */
  readonly admit: (exchange: Exchange) => void;
  readonly config: Pick<CommonConfig, 'dataDir' | 'traces' | 'logBodies' | 'emoji' | 'otlp'> & {
    readonly mode: 'client' | 'server';
  };
}

/** Wires those who observe a daemon to what happens in it, and the paths where they show it. */
export class Observation implements AsyncDisposable {
  readonly events: EventStream;
  /** Is told what is asked and answered; undefined: the owner does not want that. */
  readonly bodyLog: BodyLog | undefined;
  readonly #paths: readonly ((exchange: Exchange) => boolean)[];
  readonly #metrics: LateMetrics;
  readonly #traces: Traces | undefined;
  readonly #past: PastUsage | undefined;
  readonly #otel: Otel | undefined;
  readonly #tally = new EndedTally();

  constructor(options: ObservationOptions) {
    const { clock, log, config, admit } = options;
    this.events = new EventStream((error) =>
      log.error('an observer failed, requests go on', { reason: reasonOf(error) }),
    );
    this.bodyLog = config.logBodies ? new BodyLog(log) : undefined;
    const told = narrate(log, clock);
    this.events.listen(config.emoji ? narrateEmoji(log, options.pool, told) : told);
    const metrics = new LateMetrics({ ...options, servers: options.pool });
    this.#metrics = metrics;
    this.events.listen(metrics.count);
    this.events.listen(this.#tally.count);
    // One file a mode, as with all that a daemon keeps: both may run on one machine.
    const path = join(config.dataDir, `traces-${config.mode}.db`);
    const traces = config.traces ? new Traces({ path, clock, log }) : undefined;
    this.#traces = traces;
    this.#past = traces && new PastUsage(traces, clock);
    if (traces)
      this.events.listen((event) => {
        const trace = event.type === 'request-ended' ? traceOf(event, clock.wall()) : undefined;
        if (trace) traces.keep(trace);
      });
    this.#otel = config.otlp && new Otel({ ...options, otlp: config.otlp });
    if (this.#otel) this.events.listen(this.#otel.observe);
    this.#paths = [metricsPath({ metrics, admit }), tracePaths({ traces, clock })];
  }

  /** What has ended at a server (by name) for a model (by its key) since the start. */
  get endedAt(): EndedTally['of'] {
    return this.#tally.of;
  }

  /** What is kept of the use of models; undefined while that is not known. Bound. */
  readonly usage = () => this.#past?.usage();

  /** Answers the paths that show what was observed; returns false for all others. Bound. */
  readonly answers = (exchange: Exchange): boolean => this.#paths.some((answers) => answers(exchange));

  /** Writes and sends what is still to be kept; takes 2 s at most for a collector. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#metrics[Symbol.dispose]();
    this.#past?.[Symbol.dispose]();
    await Promise.all([this.#traces?.[Symbol.asyncDispose](), this.#otel?.[Symbol.asyncDispose]()]);
  }
}
