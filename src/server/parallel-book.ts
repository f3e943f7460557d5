import type { Clock } from '../clock.ts';
import type { Seat } from '../routing/desk.ts';
import {
  mayExperiment,
  NOTHING_LEARNED,
  observed,
  type ParallelEvent,
  type ParallelLearning,
  slotsLearned,
} from './parallel-learning.ts';

/** Only who has had a queue for this long, ms, has anything to win by sending two at once to find out. */
const FIRST_EXPERIMENT_MS = 60_000;
/** As many models as a machine runs in a day; the one asked for longest ago is forgotten. */
const MAX_MODELS = 256;

/** Finds out how many requests of each model an Ollama runs at once, where nobody tells. */
export class ParallelBook {
  readonly #clock: Clock;
  readonly #models = new Map<string, ParallelLearning>();
  #ids = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  slots(model: string): number {
    return slotsLearned(this.#models.get(model) ?? NOTHING_LEARNED);
  }

  /** `queued` requests wait for this model; returns whether one more may be let in to find out. */
  waiting(model: string, queued: number): boolean {
    const now = this.#clock.now();
    const known = this.#models.get(model);
    if (!known || known.nextAt === Number.NEGATIVE_INFINITY) {
      if (queued > 0) this.#put(model, { ...(known ?? NOTHING_LEARNED), nextAt: now + FIRST_EXPERIMENT_MS });
      return false;
    }
    if (!mayExperiment(known, now, queued)) return false;
    this.#put(model, observed(known, { type: 'experiment', at: now }));
    return true;
  }

  /** The same seat, watched. */
  watch(model: string, seat: Seat): Seat {
    this.#ids += 1;
    const id = String(this.#ids);
    const note = (type: Exclude<ParallelEvent['type'], 'experiment'>) => {
      const state = this.#models.get(model) ?? NOTHING_LEARNED;
      this.#put(model, observed(state, { type, id, at: this.#clock.now() }));
    };
    let sent = false;
    return {
      headers: seat.headers,
      use: () => {
        if (!sent) note('sent');
        sent = true;
        seat.use();
      },
      begun: () => {
        note('first-token');
        seat.begun();
      },
      stalled: () => {
        note('stalled');
        seat.stalled();
      },
      release: (result) => {
        if (sent) note('ended');
        seat.release(result);
      },
    };
  }

  /** It may be another Ollama with other settings now. */
  clear(): void {
    this.#models.clear();
  }

  #put(model: string, state: ParallelLearning): void {
    this.#models.delete(model);
    this.#models.set(model, state);
    if (this.#models.size <= MAX_MODELS) return;
    for (const oldest of this.#models.keys()) {
      this.#models.delete(oldest);
      return;
    }
  }
}
