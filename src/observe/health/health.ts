import type { Cancel, Clock } from '../../clock.ts';
import type { ObservedEvent } from '../event-stream.ts';
import { type Advice, recommend, type Usage } from '../recommend/recommend.ts';
import { CHECKS } from './checks.ts';
import { ServerHistory } from './history.ts';
import { type Cases, judge, NO_CASES, problemsOf } from './judge.ts';
import { NetworkTroubles } from './network-trouble.ts';
import { type HealthReport, healthReport, scoreOf } from './report.ts';
import { type Figures, RequestFigures } from './request-figures.ts';
import type { HealthSnapshot } from './snapshot.ts';

/** What is read from the moment; the rest of a snapshot is counted here. */
export type Sight = Omit<HealthSnapshot, 'wallMs' | 'nowMs' | 'quarter' | 'hour' | 'past' | 'network'>;

export interface HealthOptions {
  readonly clock: Clock;
  /** What is known now; asked at each look. */
  readonly see: () => Sight;
  readonly emit: (event: ObservedEvent) => void;
  /** What is known of the use of models; undefined, or absent: no more than this process has seen in the last hour. */
  readonly usage?: (() => Usage | undefined) | undefined;
}

/** Looked this often, ms: lists of plain Ollamas are not read more often. */
const LOOK_EVERY_MS = 5000;
const HOUR_MS = 3_600_000;
const CHECK_IDS: readonly string[] = Object.freeze(CHECKS.map(({ id }) => id));

/** Looks every 5 s whether anything is wrong, until disposed. Asks no server for anything. */
export class Health implements Disposable {
  readonly #options: HealthOptions;
  readonly #figures: RequestFigures;
  readonly #network: NetworkTroubles;
  readonly #history = new ServerHistory();
  readonly #stop: Cancel;
  #cases: Cases = NO_CASES;
  readonly #startedAt: number;
  #last: HealthSnapshot | undefined;

  constructor(options: HealthOptions) {
    const { clock } = options;
    this.#options = options;
    this.#startedAt = clock.now();
    this.#figures = new RequestFigures(clock);
    this.#network = new NetworkTroubles(clock);
    this.#stop = clock.every(LOOK_EVERY_MS, () => this.#look());
  }

  /** Counts an event. Bound, to be passed as a listener of the event stream. */
  readonly note = (event: ObservedEvent): void => {
    this.#figures.note(event);
    this.#network.note(event);
  };

  /** What was wrong at the last look. */
  report(): HealthReport {
    return healthReport(problemsOf(this.#cases), CHECK_IDS, this.#last?.wallMs);
  }

  /** What would be better otherwise, by the last look; none before it. */
  advice(): readonly Advice[] {
    const last = this.#last;
    if (!last) return [];
    const reachMs = Math.min(HOUR_MS, last.nowMs - this.#startedAt);
    return recommend(last, this.#options.usage?.() ?? usageIn(last.hour, last.wallMs, reachMs));
  }

  #look(): void {
    const { clock, see, emit } = this.#options;
    const [nowMs, wallMs] = [clock.now(), clock.wall()];
    const sight = see();
    this.#history.look(sight.servers, nowMs);
    const snapshot: HealthSnapshot = {
      ...sight,
      wallMs,
      nowMs,
      quarter: this.#figures.last(15),
      hour: this.#figures.last(60),
      past: this.#history.all(),
      network: this.#network.now(),
    };
    const { cases, began, ended } = judge(CHECKS, snapshot, this.#cases);
    this.#cases = cases;
    this.#last = snapshot;
    const score = scoreOf(problemsOf(cases));
    for (const problem of ended) emit({ type: 'problem-ended', problem, score });
    for (const problem of began) emit({ type: 'problem-began', problem, score });
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}

/** What the figures tell of use: all of it may have been just now. Pure. */
function usageIn({ models }: Figures, wallMs: number, reachMs: number): Usage {
  const used = [...models].filter(([, { uses }]) => uses > 0);
  const entries = used.map(([key, { uses }]) => [key, { requests: uses, lastUsedMs: wallMs }] as const);
  return { reachMs, models: new Map(entries) };
}
