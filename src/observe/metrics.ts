import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import type { ServerLoad } from '../fleet/load.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import { modelKey, shownModel } from '../ollama/names.ts';
import type { RequestEnded } from '../proxy/events.ts';
import type { ObservedEvent } from './event-stream.ts';
import { LabelSet, labelOf, OTHER, SeriesSet } from './label-set.ts';
import { COUNTERS, GAUGES, HISTOGRAMS, type MetricRow } from './metric-table.ts';
import { modelSlots } from './model-slots.ts';

export interface MetricsOptions {
  readonly clock: Clock;
  readonly version: string;
  readonly mode: string;
  /** The servers as they are now. */
  readonly servers: () => readonly ServerFacts[];
  /** What runs and waits at each server of which that is known. */
  readonly loads: () => Iterable<ServerLoad>;
}

/** More than an office has in use; names come from the network. */
const MAX_SERVERS = 64;
const MAX_MODELS = 64;
const MAX_LIMITS = 64;
/** Combinations of labels of one metric: a histogram tells each of them in some 16 lines. */
const MAX_REQUEST_SERIES = 1000;
const MAX_SERIES = 200;
/** Whoever asks again within this, ms, gets the same text: a scrape costs some ms, and anybody may ask. */
const SAME_TEXT_MS = 500;

type Where = { readonly model: string; readonly server: string };

/** Counts what happens, in a registry of its own, for Prometheus. */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #registry = new Registry();
  readonly #counters;
  readonly #histograms;
  readonly #gauges;
  readonly #models = new LabelSet(MAX_MODELS);
  readonly #servers = new LabelSet(MAX_SERVERS);
  readonly #limits = new LabelSet(MAX_LIMITS);
  readonly #requestSeries = new SeriesSet(MAX_REQUEST_SERIES);
  readonly #series = new SeriesSet(MAX_SERIES);
  #last: { readonly at: number; readonly text: Promise<string> } | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    const of = ({ name, help, labels, buckets }: MetricRow) => ({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      ...(buckets && { buckets: [...buckets] }),
    });
    this.#counters = each(COUNTERS, (row) => new Counter(of(row)));
    this.#histograms = each(HISTOGRAMS, (row) => new Histogram(of(row)));
    this.#gauges = each(GAUGES, (row) => new Gauge(of(row)));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Counts an event. Never throws. Bound: it is a listener. */
  readonly count = (event: ObservedEvent): void => {
    const { attempts, failures, tickets, verdictChanges, datagrams, limits } = this.#counters;
    switch (event.type) {
      case 'request-ended':
        this.#requestEnded(event);
        break;
      case 'attempt-ended': {
        // Lists are asked for all the time, and one that fails says what the verdicts say.
        // Of one that found its slot taken the server has told by itself, as of a request that is `busy`.
        if (event.model === undefined || event.end === 'busy') break;
        const server = this.#servers.of(event.server);
        attempts.inc({ server, end: event.end });
        if (event.outcome.type === 'failed') failures.inc({ server, cause: event.outcome.cause });
        break;
      }
      case 'ticket':
        tickets.inc({ role: event.role, step: event.step });
        break;
      case 'verdict-changed':
        verdictChanges.inc({ server: this.#servers.of(event.name), verdict: event.verdict.state });
        break;
      case 'datagram':
        datagrams.inc({ protocol: event.by, direction: event.direction });
        break;
      case 'limit-reached':
        limits.inc({ limit: this.#limits.of(event.limit) });
    }
  };

  /** Everything as text for Prometheus. */
  text(): Promise<string> {
    const now = this.#options.clock.now();
    // The process is looked at from the first scrape on: that has timers, and most processes are never scraped.
    if (!this.#last) collectDefaultMetrics({ register: this.#registry });
    if (!this.#last || now - this.#last.at >= SAME_TEXT_MS) this.#last = { at: now, text: this.#write() };
    return this.#last.text;
  }

  #requestEnded(event: RequestEnded): void {
    const key = event.model === undefined ? undefined : modelKey(event.model);
    const where = {
      model: this.#models.of(key && shownModel(key), () => key !== undefined && this.#isModel(key)),
      // What several answered together is nobody's; their names in every order would fill the set of names.
      server: this.#servers.of(event.deviceId === undefined ? undefined : event.server),
    };
    const about = { route: event.route, outcome: event.errorCode === 'OLLANA_BUSY' ? 'busy' : event.outcome };
    const { requests, retries, answerBytes, heldSeconds } = this.#counters;
    requests.inc(this.#requestSeries.fit({ ...about, ...where }, () => ({ ...about, ...merged(where) })));
    retries.inc(event.retries);
    answerBytes.inc(event.bytes);
    heldSeconds.inc(event.heldMs / 1000);
    if (event.isUse)
      this.#modelRan(
        event,
        this.#series.fit(where, () => merged(where)),
      );
  }

  #modelRan({ counters = {}, ...event }: RequestEnded, where: Where): void {
    const { model } = where;
    const { firstByte, duration, queue, load, decode, prefill } = this.#histograms;
    const { promptTokens, cachedTokens, outputTokens, promptSeconds, outputSeconds } = this.#counters;
    queue.observe({ model }, event.queueMs / 1000);
    if (event.firstByteMs !== undefined) firstByte.observe(where, event.firstByteMs / 1000);
    if (event.outcome === 'completed') duration.observe(where, event.durationMs / 1000);
    promptTokens.inc(where, counters.promptTokens ?? 0);
    cachedTokens.inc(where, counters.cachedTokens ?? 0);
    outputTokens.inc(where, counters.outputTokens ?? 0);
    promptSeconds.inc(where, (counters.promptMs ?? 0) / 1000);
    outputSeconds.inc(where, (counters.outputMs ?? 0) / 1000);
    if (event.cold && counters.loadMs !== undefined) load.observe({ model }, counters.loadMs / 1000);
    const written = perSecond(counters.outputTokens, counters.outputMs);
    if (written !== undefined) decode.observe(where, written);
    const read = perSecond(counters.promptTokens, counters.promptMs);
    if (read !== undefined) prefill.observe({ model }, read);
  }

  /** Clients may ask for models under any name; only those that a server says it has are names. */
  #isModel(key: string): boolean {
    return this.#options.servers().some(({ modelKeys }) => modelKeys.has(key));
  }

  #write(): Promise<string> {
    const { servers, loads, version, mode } = this.#options;
    const { servers: known, slots, active, queued, info } = this.#gauges;
    for (const gauge of [known, slots, active, queued]) gauge.reset();
    info.set({ version, mode }, 1);
    for (const verdict of ['reliable', 'unreliable', 'second-chance']) known.set({ verdict }, 0);
    for (const { verdict } of servers()) known.inc({ verdict: verdict.state });
    for (const [key, row] of modelSlots(loads(), MAX_MODELS)) {
      const model = labelOf(shownModel(key));
      slots.inc({ model }, row.slots);
      active.inc({ model }, row.active);
      queued.inc({ model }, row.queued);
    }
    return this.#registry.metrics();
  }
}

function each<K extends string, T>(
  rows: Readonly<Record<K, MetricRow>>,
  make: (row: MetricRow) => T,
): Readonly<Record<K, T>> {
  const made = Object.entries<MetricRow>(rows).map(([key, row]) => [key, make(row)] as const);
  return Object.fromEntries(made) as Record<K, T>;
}

/** Where one combination too many is counted. */
function merged({ model, server }: Where): Where {
  return { model: model && OTHER, server: server && OTHER };
}

function perSecond(tokens: number | undefined, ms: number | undefined): number | undefined {
  return tokens && ms ? (1000 * tokens) / ms : undefined;
}
