/** One model in Ollama's memory. */
interface Loaded {
  /** Context it was loaded for, as asked; undefined: loaded by others than us. */
  readonly numCtx: number | undefined;
  /** When we last knew it to be in memory, on the clock. */
  seenAt: number;
}

/**
 * What is in Ollama's memory, from what we did ourselves and from its list, which is seconds old. Times are ms on
 * the clock.
 */
export class InMemory {
  readonly #models = new Map<string, Loaded>();
  /** From when on the list tells what a load has pushed out; undefined: nothing is in doubt. */
  #doubtUntil: number | undefined;

  has(model: string): boolean {
    return this.#models.has(model);
  }

  /** Whether a request for this context can use the model as it is loaded. */
  isWarm(model: string, numCtx: number): boolean {
    const loaded = this.#models.get(model);
    return loaded !== undefined && (loaded.numCtx === undefined || loaded.numCtx === numCtx);
  }

  /** The context a model was loaded for; null where that is unknown. */
  numCtxOf(model: string): number | null {
    return this.#models.get(model)?.numCtx ?? null;
  }

  /** We loaded it, or found it loaded (`numCtx` undefined). */
  put(model: string, numCtx: number | undefined, now: number): void {
    this.#models.set(model, { numCtx, seenAt: now });
  }

  /** A request has just run on it. */
  touch(model: string, now: number): void {
    const loaded = this.#models.get(model);
    if (loaded) loaded.seenAt = now;
  }

  drop(model: string): void {
    this.#models.delete(model);
  }

  /** All of them, those that Ollama would push out first coming first: idle ones, then by when they were last used. */
  keys(isBusy: (model: string) => boolean): string[] {
    return [...this.#models]
      .map(([key, { seenAt }]) => ({ key, seenAt, busy: isBusy(key) }))
      .sort((a, b) => Number(a.busy) - Number(b.busy) || a.seenAt - b.seenAt)
      .map(({ key }) => key);
  }

  /** A load has begun that may push something out; the list will tell from `until` on. */
  doubt(until: number): void {
    this.#doubtUntil = until;
  }

  /** Whether an idle model may have been pushed out without our knowing yet. */
  get inDoubt(): boolean {
    return this.#doubtUntil !== undefined;
  }

  /** Takes the list, as it was at `asOf`. `found` is told of models that are new to us. */
  sync(
    keys: Iterable<string>,
    asOf: number,
    isBusy: (model: string) => boolean,
    found: (model: string) => void,
  ): void {
    if (this.#doubtUntil !== undefined && asOf >= this.#doubtUntil) this.#doubtUntil = undefined;
    const present = new Set(keys);
    for (const key of present) {
      const known = this.#models.get(key);
      if (known) known.seenAt = Math.max(known.seenAt, asOf);
      else found(key);
    }
    for (const [key, { seenAt }] of this.#models) {
      if (!present.has(key) && seenAt < asOf && !isBusy(key)) this.#models.delete(key);
    }
  }
}
