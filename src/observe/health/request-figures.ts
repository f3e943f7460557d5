import type { Clock } from '../../clock.ts';
import { modelKey } from '../../ollama/names.ts';
import type { RequestEnded } from '../../proxy/events.ts';
import type { ObservedEvent } from '../event-stream.ts';

/** Counts of requests that wanted a model. */
export interface RequestCounts {
  readonly requests: number;
  /** Of those the ones that a model was to work for: a pull or an unload is no use of it. */
  readonly uses: number;
  /** Ended in an error that is not the client's. */
  readonly failed: number;
  /** Needed more than one attempt. */
  readonly retried: number;
  /** The client left. */
  readonly left: number;
  /** The answer began and was not brought to its end by the server. */
  readonly broken: number;
  /** Ended half a minute or more after they came without a byte of an answer. */
  readonly unanswered: number;
  /** Waited 2 s or longer for a server. */
  readonly waited: number;
  /** Found all queues full. */
  readonly queueFull: number;
}

/** The same for one model. */
export interface ModelCounts extends RequestCounts {
  /** As clients spell it. */
  readonly name: string;
  /** Of how many the tokens are known. */
  readonly measured: number;
  /** Most tokens of a prompt and its answer together. */
  readonly mostTokens: number;
}

/** What a server was asked. */
export interface AttemptCounts {
  /** The server's name. */
  readonly name: string;
  readonly attempts: number;
  readonly failed: number;
  /** Answers that it began and broke off. */
  readonly broken: number;
}

/** What has been counted over a window. */
export interface Figures {
  readonly all: RequestCounts;
  /** By `modelKey`. */
  readonly models: ReadonlyMap<string, ModelCounts>;
  /** By device id. */
  readonly servers: ReadonlyMap<string, AttemptCounts>;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
interface Minute {
  readonly index: number;
  readonly all: Writable<RequestCounts>;
  readonly models: Map<string, Writable<ModelCounts>>;
  readonly servers: Map<string, Writable<AttemptCounts>>;
}

const MINUTE_MS = 60_000;
const MINUTES = 60;
/** Models asked for, and servers used, in one minute; clients may name as many as they like. */
const MAX_KEYS = 256;
const WAITED_MS = 2000;
const UNANSWERED_MS = 30_000;

const NO_REQUESTS: RequestCounts = {
  requests: 0,
  uses: 0,
  failed: 0,
  retried: 0,
  left: 0,
  broken: 0,
  unanswered: 0,
  waited: 0,
  queueFull: 0,
};

/** Counts the requests of the last hour, by the minute; a listener of the event stream. */
export class RequestFigures {
  readonly #clock: Clock;
  #minutes: Minute[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts an event. Bound, to be passed as a listener. */
  readonly note = (event: ObservedEvent): void => {
    // Whoever asked for a slot that was free a moment ago takes a ticket now: here and, below, another ollana.
    if (event.type === 'attempt-ended' && event.model !== undefined && event.end !== 'busy')
      this.#attempt(event);
    if (event.type === 'request-ended' && event.errorCode !== 'OLLANA_BUSY') this.#request(event);
  };

  #attempt({ deviceId, server, outcome }: ObservedEvent & { type: 'attempt-ended' }): void {
    const { servers } = this.#now();
    const counts = kept(servers, deviceId, () => ({ name: server, attempts: 0, failed: 0, broken: 0 }));
    if (!counts) return;
    counts.attempts += 1;
    if (outcome.type !== 'failed') return;
    counts.failed += 1;
    if (outcome.cause === 'stream') counts.broken += 1;
  }

  #request(event: RequestEnded): void {
    const { model, outcome } = event;
    // What is the client's own fault counts for nobody, but that it asked for a model which is nowhere does.
    if (model === undefined || (outcome === 'refused' && event.status !== 404)) return;
    const isLate = event.firstByteMs === undefined && event.durationMs >= UNANSWERED_MS;
    const isError = outcome === 'failed' || outcome === 'incomplete' || (event.status ?? 0) >= 500;
    const one = {
      ...NO_REQUESTS,
      requests: 1,
      uses: Number(event.isUse),
      failed: Number(isError),
      retried: Number(event.retries > 0),
      left: Number(outcome === 'client-left'),
      broken: Number(outcome === 'incomplete'),
      unanswered: Number(isLate || (isError && event.durationMs >= UNANSWERED_MS && event.status !== 200)),
      waited: Number(event.queueMs >= WAITED_MS),
      queueFull: Number(event.errorCode === 'OLLANA_QUEUE_FULL'),
    };
    const { all, models } = this.#now();
    add(all, one);
    const of = kept(models, modelKey(model), () => ({
      ...NO_REQUESTS,
      name: model.slice(0, 200),
      measured: 0,
      mostTokens: 0,
    }));
    if (!of) return;
    add(of, one);
    const { promptTokens, outputTokens = 0 } = event.counters ?? {};
    if (promptTokens === undefined) return;
    of.measured += 1;
    of.mostTokens = Math.max(of.mostTokens, promptTokens + outputTokens);
  }

  #now(): Minute {
    const index = Math.floor(this.#clock.now() / MINUTE_MS);
    const last = this.#minutes.at(-1);
    if (last?.index === index) return last;
    const next: Minute = { index, all: { ...NO_REQUESTS }, models: new Map(), servers: new Map() };
    this.#minutes = [...this.#minutes.filter((one) => one.index > index - MINUTES), next];
    return next;
  }

  /** What was counted in this minute and the `minutes - 1` before it; 60 at most. */
  last(minutes: number): Figures {
    const index = Math.floor(this.#clock.now() / MINUTE_MS);
    const all = { ...NO_REQUESTS };
    const models = new Map<string, Writable<ModelCounts>>();
    const servers = new Map<string, Writable<AttemptCounts>>();
    for (const minute of this.#minutes) {
      if (minute.index <= index - minutes) continue;
      add(all, minute.all);
      for (const [key, counts] of minute.models) {
        const sum = models.get(key);
        if (!sum) models.set(key, { ...counts });
        else {
          add(sum, counts);
          sum.measured += counts.measured;
          sum.mostTokens = Math.max(sum.mostTokens, counts.mostTokens);
        }
      }
      for (const [deviceId, { name, attempts, failed, broken }] of minute.servers) {
        const sum = servers.get(deviceId) ?? { name, attempts: 0, failed: 0, broken: 0 };
        sum.attempts += attempts;
        sum.failed += failed;
        sum.broken += broken;
        servers.set(deviceId, sum);
      }
    }
    return { all, models, servers };
  }
}

function add(sum: Writable<RequestCounts>, more: RequestCounts): void {
  for (const key of Object.keys(NO_REQUESTS) as (keyof RequestCounts)[]) sum[key] += more[key];
}

/** The entry of a bounded map, made if there is room. */
function kept<T>(map: Map<string, T>, key: string, make: () => T): T | undefined {
  const known = map.get(key);
  if (known || map.size >= MAX_KEYS) return known;
  const made = make();
  map.set(key, made);
  return made;
}
