/** Weight of the newest one in the mean: as many as some ten of the last decide. */
const NEWEST = 0.1;
/** A machine stores fewer models. */
const MAX_MODELS = 512;

/**
 * Of those who wait here for a model, the share that runs here in the end: a request waits in several queues, runs
 * from one, and would be counted as work in all. Where waiting is long that makes queues look several times as
 * long as they are, so that models are loaded elsewhere to avoid a wait that nobody has.
 */
export class Turnout {
  readonly #shares = new Map<string, number>();

  /** From 0 to 1; 1 until it has been seen otherwise. */
  of(model: string): number {
    return this.#shares.get(model) ?? 1;
  }

  /** One that waited for the model runs here now. */
  came(model: string): void {
    this.#note(model, 1);
  }

  /** One that waited for it runs elsewhere, or not at all. */
  left(model: string): void {
    this.#note(model, 0);
  }

  #note(model: string, value: number): void {
    const share = this.of(model);
    if (!this.#shares.has(model) && this.#shares.size >= MAX_MODELS) this.#shares.clear();
    this.#shares.set(model, share + NEWEST * (value - share));
  }
}
