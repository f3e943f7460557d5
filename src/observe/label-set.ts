/** What all values beyond the bound, and those that nobody vouches for, are counted under. */
export const OTHER = 'other';

/** Longer names are cut: a scrape tells each of them many times. */
const MAX_CHARS = 100;

/** The label's value for a name. Pure. */
export function labelOf(name: string): string {
  return name.slice(0, MAX_CHARS);
}

/**
 * The values that a label takes: names come from the network, and each new one would make new time series for as long
 * as the process runs. The first `max` are kept, all others are `other`.
 */
export class LabelSet {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** The value for a name; `isVouched` is asked about a new one. Nothing in place of undefined. */
  of(name: string | undefined, isVouched: () => boolean = () => true): string {
    if (name === undefined) return '';
    const value = labelOf(name);
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max || !isVouched()) return OTHER;
    this.#known.add(value);
    return value;
  }
}

/** Combinations of label values: bounded sets of values still make many. The first `max` are kept as they are. */
export class SeriesSet {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** `labels`, or what `fallback` makes where they would be one combination too many. */
  fit<T extends Readonly<Record<string, string>>>(labels: T, fallback: () => T): T {
    // No name has a NUL in it that a model or a server could be found by.
    const key = Object.values(labels).join('\0');
    if (this.#known.has(key)) return labels;
    if (this.#known.size >= this.#max) return fallback();
    this.#known.add(key);
    return labels;
  }
}
