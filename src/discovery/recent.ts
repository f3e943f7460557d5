import type { Clock } from '../clock.ts';

/** A map whose entries lapse after `ttlMs` and whose oldest go first when it is full: what the network may fill. */
export class Recent<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly at: number }>();
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #max: number;

  constructor(options: { readonly clock: Clock; readonly ttlMs: number; readonly max: number }) {
    this.#clock = options.clock;
    this.#ttlMs = options.ttlMs;
    this.#max = options.max;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    return entry && this.#isFresh(entry) ? entry.value : undefined;
  }

  /** Whether one more would cost an entry that has not lapsed. */
  get isFull(): boolean {
    this.#prune(Number.POSITIVE_INFINITY);
    return this.#entries.size >= this.#max;
  }

  /** Sets the value and makes the entry the newest. */
  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#prune(this.#max - 1);
    this.#entries.set(key, { value, at: this.#clock.now() });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Those that have not lapsed, oldest first. */
  values(): readonly V[] {
    return [...this.#entries.values()].filter((entry) => this.#isFresh(entry)).map(({ value }) => value);
  }

  /** Removes what has lapsed, and the oldest beyond so many. */
  #prune(keep: number): void {
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= keep && this.#isFresh(entry)) break;
      this.#entries.delete(oldest);
    }
  }

  #isFresh(entry: { readonly at: number }): boolean {
    return this.#clock.now() - entry.at < this.#ttlMs;
  }
}
