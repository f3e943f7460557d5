import type { Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import type { ServerLoad } from '../fleet/load.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { EventStream } from '../observe/event-stream.ts';
import type { Log } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { narrate } from '../observe/narrate.ts';
import { narrateEmoji } from '../observe/narrate-emoji.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { metricsPath } from './metrics-path.ts';

export interface ObservationOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  readonly mode: string;
  /** Choices and servers are told in other words. */
  readonly emoji?: boolean | undefined;
  /** The servers as they are now; asked from when the daemon runs. */
  readonly pool: () => readonly PoolServer[];
  /** What runs and waits at each server of which that is known. */
  readonly loads: () => Iterable<ServerLoad>;
  /** Throws when a request shows no API key and one is required. */
  readonly admit: (exchange: Exchange) => void;
}

/** Wires those who observe a daemon to what happens in it, and the paths where they show it. */
export class Observation implements AsyncDisposable {
  readonly events: EventStream;
  readonly #paths: readonly ((exchange: Exchange) => boolean)[];

  constructor(options: ObservationOptions) {
    const { clock, log, admit } = options;
    this.events = new EventStream((error) =>
      log.error('an observer failed, requests go on', { reason: reasonOf(error) }),
    );
    const told = narrate(log, clock);
    this.events.listen(options.emoji ? narrateEmoji(log, options.pool, told) : told);
    const metrics = new Metrics({ ...options, servers: options.pool });
    this.events.listen(metrics.count);
    this.#paths = [metricsPath({ metrics, admit })];
  }

  /** Answers the paths that show what was observed; returns false for all others. Bound. */
  readonly answers = (exchange: Exchange): boolean => this.#paths.some((answers) => answers(exchange));

  /** Writes what is still to be kept. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
