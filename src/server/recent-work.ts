import type { Clock } from '../clock.ts';

/**
 * What was done this long ago counts half, ms. Simulated: with 30 s models stay for too long where they were wanted
 * before other ones became popular.
 */
const HALF_LIFE_MS = 15_000;
/** A machine stores fewer models. */
const MAX_MODELS = 512;

/** How much a GPU has lately done for each model. Times are ms of the GPU alone. */
export class RecentWork {
  readonly #clock: Clock;
  readonly #models = new Map<string, { ms: number; at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The sum of all that was done, older work counting less and less. */
  of(model: string): number {
    const known = this.#models.get(model);
    return known === undefined ? 0 : known.ms * 0.5 ** ((this.#clock.now() - known.at) / HALF_LIFE_MS);
  }

  add(model: string, ms: number): void {
    const sum = this.of(model) + ms;
    if (!this.#models.has(model) && this.#models.size >= MAX_MODELS) this.#models.clear();
    this.#models.set(model, { ms: sum, at: this.#clock.now() });
  }
}
