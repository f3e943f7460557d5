import type { Clock } from '../clock.ts';
import { Recent } from './recent.ts';

/** Sources that are counted at once; a flood from more is refused, since whoever is forgotten were allowed again early. */
const MAX_SOURCES = 1024;

const SECOND_MS = 1000;

/** So much a second for each key, counted from the first of each second. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #counts: Recent<{ count: number }>;

  constructor(clock: Clock, perSecond: number) {
    this.#perSecond = perSecond;
    this.#counts = new Recent({ clock, ttlMs: SECOND_MS, max: MAX_SOURCES });
  }

  /** Whether there may be one more now; if so it is counted. */
  allow(key: string): boolean {
    const counted = this.#counts.get(key);
    if (!counted) {
      if (this.#counts.isFull) return false;
      this.#counts.set(key, { count: 1 });
      return true;
    }
    if (counted.count >= this.#perSecond) return false;
    counted.count++;
    return true;
  }

  /** Begins anew, for one key or for all. */
  forget(key?: string): void {
    if (key === undefined) this.#counts.clear();
    else this.#counts.delete(key);
  }
}
