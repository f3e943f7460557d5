import type { ServerFacts } from '../fleet/pool.ts';
import type { PsRow } from '../ollama/lists.ts';
import { fitsCards, type Tenant } from './card-fit.ts';
import type { Victims } from './gpu-facts.ts';
import {
  changeBetween,
  fits,
  type Loaded,
  type LoadedUntil,
  type MemoryLearning,
  NO_MEMORY_KNOWN,
  observe,
  victims,
} from './memory-learning.ts';

/** Knows what a load would push out at one server, from what its lists have shown so far. */
export class MemoryBook {
  #state: MemoryLearning = NO_MEMORY_KNOWN;
  #before: readonly LoadedUntil[] | undefined;
  #rows: readonly PsRow[] | undefined;

  /**
   * The server's lists have been read, at `nowMs` by the wall clock, while `loading` was being loaded: Ollama pushes
   * out before it loads, and lists a model only when it is loaded.
   */
  observe(facts: ServerFacts, loading: string | undefined, nowMs: number): void {
    const { ps } = facts;
    if (!ps || ps === this.#rows) return;
    this.#rows = ps;
    const after = ps.map((row) => ({ key: row.key, size: sizeIn(row.raw), expiresAt: expiryOf(row) }));
    if (this.#before) {
      const change = changeBetween(this.#before, after, nowMs);
      const coming =
        loading === undefined || after.some(({ key }) => key === loading)
          ? []
          : [{ key: loading, size: sizeOf(facts, loading) }];
      // What is still coming is not held yet: only what it pushes out tells of it.
      const more = change.evicted.length > 0 ? coming : [];
      const loaded = [...change.loaded, ...more];
      this.#state =
        more.length > 0
          ? withoutHolding(this.#state, observe(this.#state, { ...change, loaded, loadedNew: more }))
          : observe(this.#state, change);
    }
    this.#before = after;
  }

  /**
   * What goes when `model` is loaded while `loaded` are in memory, those that Ollama would push out first coming first.
   * `cards` are the bytes of each graphics card, where known: they tell until something else has been seen.
   */
  victims(
    model: string,
    loaded: readonly string[],
    facts: ServerFacts | undefined,
    cards: readonly number[] = [],
  ): Victims {
    const present = loaded.map((key, order) => ({
      key,
      size: sizeOf(facts, key),
      expiresAt: order,
      busy: false,
    }));
    const size = sizeOf(facts, model);
    // An Ollama that cannot use the cards runs models in main memory.
    const used = facts?.ps?.some(({ raw }) => raw.size_vram === 0) ? [] : cards;
    const judge = (left: readonly Loaded[]) => {
      const sizes = left.map((one) => one.size);
      const seen = fits(this.#state, sizes, size);
      if (seen !== 'unknown' || size === 0) return seen;
      return fitsCards([...left.map(({ key }) => key), model].map(tenantOf(facts)), used);
    };
    if (judge(present) === 'unknown') return { keys: loaded.slice(0, 1), sure: false };
    return { keys: victims(this.#state, present, size, judge), sure: true };
  }
}

function withoutHolding(before: MemoryLearning, after: MemoryLearning): MemoryLearning {
  return { ...after, heldBytes: before.heldBytes, heldCount: before.heldCount };
}

function sizeOf(facts: ServerFacts | undefined, key: string): number {
  const row = facts?.ps?.find((one) => one.key === key) ?? facts?.tags?.find((one) => one.key === key);
  return row ? sizeIn(row.raw) : 0;
}

function tenantOf(facts: ServerFacts | undefined): (key: string) => Tenant {
  return (key) => ({
    bytes: sizeOf(facts, key),
    isWhole: facts?.ps?.some((row) => row.key === key) === true,
  });
}

function sizeIn(raw: Readonly<Record<string, unknown>>): number {
  const { size } = raw;
  return typeof size === 'number' && size > 0 ? size : 0;
}

/** An end that cannot be read is taken for far away: the model then counts as pushed out when it has gone. */
function expiryOf({ expiresAt }: PsRow): number {
  const at = Date.parse(expiresAt);
  return Number.isNaN(at) ? Number.POSITIVE_INFINITY : at;
}
