import type { Cancel, Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import type { ObservedEvent } from './event-stream.ts';
import type { Log } from './log.ts';
import type { Metrics, MetricsOptions } from './metrics.ts';

/**
 * prom-client is loaded this long after a start, ms, or when somebody asks: it takes 50 ms, which every start
 * waited for. What happens until then is kept, all of it: a moment's worth.
 */
const LOAD_AFTER_MS = 300;

export interface LateMetricsOptions extends MetricsOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/** `Metrics` that are loaded when a daemon has begun to listen, and have counted everything since its start. */
export class LateMetrics implements Disposable {
  readonly #options: LateMetricsOptions;
  readonly #stop: Cancel;
  /** What has happened until they are loaded; undefined: there will be none. */
  #before: ObservedEvent[] | undefined = [];
  #loading: Promise<Metrics> | undefined;
  #metrics: Metrics | undefined;

  constructor(options: LateMetricsOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#stop = clock.after(LOAD_AFTER_MS, () => {
      this.#load().catch((error: unknown) => {
        this.#before = undefined;
        log.error('there are no metrics: they could not be loaded', { reason: reasonOf(error) });
      });
    });
  }

  /** See `Metrics.count`. Bound. */
  readonly count = (event: ObservedEvent): void => {
    if (this.#metrics) this.#metrics.count(event);
    else this.#before?.push(event);
  };

  /** See `Metrics.text`. */
  async text(): Promise<string> {
    return (await this.#load()).text();
  }

  /** Of the text that was asked for last; empty before. */
  get contentType(): string {
    return this.#metrics?.contentType ?? '';
  }

  #load(): Promise<Metrics> {
    this.#loading ??= import('./metrics.ts').then(({ Metrics }) => {
      const metrics = new Metrics(this.#options);
      for (const event of this.#before ?? []) metrics.count(event);
      this.#before = undefined;
      this.#metrics = metrics;
      return metrics;
    });
    return this.#loading;
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
