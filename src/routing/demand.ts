import type { ServerLoad } from '../fleet/load.ts';
import type { Memory } from './policy.ts';

/** What makes a load that pushes models out cheaper or dearer than its time. */
export interface LoadWeight {
  /** Factor on what is pushed out. */
  readonly scarcity: number;
  /** Factor on the whole price. */
  readonly rush: number;
  /** Factor on the time of the load itself, at least 1. */
  readonly again: number;
}

export const ORDINARY_LOAD: LoadWeight = { scarcity: 1, rush: 1, again: 1 };
/**
 * Another copy of a model takes room that other models may need sooner, to save a wait that may be over before it is
 * there. Simulated with three GPUs: one load in twenty less; at 3 p95 suffers for want of second copies.
 */
const AGAIN: LoadWeight = { ...ORDINARY_LOAD, again: 1.5 };

/** A request that waits looks again after 10 ms: this old what is known of the others is good enough, ms. */
const RENEW_MS = 20;
/**
 * A load serves all who wait for the model, and keeps waiting those who wanted what it pushes out: so many of them
 * count as much as the one that asks for it. Simulated with 2, 3 and 6 GPUs: with 4 a model that becomes popular is
 * waited for after a second copy would have paid, with 2 there is a third more of loads.
 */
const CROWD = 2.5;
/**
 * What nobody else has in memory will be loaded anew soon, and may push out the next one then. Simulated: at 2 there
 * are more loads than twice the places in memory in one run of four, at 4 in one of eight, at 10 popular models wait.
 */
const LAST_COPY = 4;

/** A server as far as demand depends on it. */
export interface Holder extends Memory {
  readonly deviceId: string;
}

interface Counted {
  readonly holder: Holder;
  readonly loaded: readonly string[];
  readonly queued: readonly string[];
  round: number;
}

const NO_LINES: ReadonlyMap<string, number> = new Map();
const NOBODY: ReadonlySet<string> = new Set();

/** Counts who waits for which model in the whole fleet: only servers that have told something new are counted anew. */
export class Demand {
  readonly #counted = new Map<string, Counted>();
  /** Servers by model. */
  readonly #holders = new Map<string, Set<string>>();
  /** By model and server, above 0. */
  readonly #waiting = new Map<string, Map<string, number>>();
  /** The answers of `waiting`: many options of a decision ask for the same. */
  readonly #mostWaiting = new Map<string, number>();
  #round = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  /** Takes note of what servers told last; `now` is on the clock. */
  read(servers: readonly Holder[], now: number): void {
    if (now - this.#readAt < RENEW_MS) return;
    this.#readAt = now;
    this.#mostWaiting.clear();
    this.#round += 1;
    for (const holder of servers) {
      const known = this.#counted.get(holder.deviceId);
      if (known) known.round = this.#round;
      const { load, loadedKeys } = holder;
      if (known && known.holder.load === load && known.holder.loadedKeys === loadedKeys) continue;
      if (known) this.#forget(known);
      this.#count(holder);
    }
    if (this.#counted.size === servers.length) return;
    for (const known of this.#counted.values()) if (known.round !== this.#round) this.#forget(known);
  }

  /**
   * Requests that wait for it, for each server that has it: those where most wait, as one request waits in several
   * queues and a sum would count it often.
   */
  waiting(model: string): number {
    const known = this.#mostWaiting.get(model);
    if (known !== undefined) return known;
    let most = 0;
    for (const count of (this.#waiting.get(model) ?? NO_LINES).values()) if (count > most) most = count;
    const each = most / Math.max(1, this.holders(model).size);
    this.#mostWaiting.set(model, each);
    return each;
  }

  /** Servers that have it in memory, or are loading it, by id. */
  holders(model: string): ReadonlySet<string> {
    return this.#holders.get(model) ?? NOBODY;
  }

  #count(holder: Holder): void {
    const { deviceId, load } = holder;
    const loaded = inMemory(holder);
    const queued: string[] = [];
    for (const key in load?.models) {
      const row = load.models[key];
      if (!row || row.queued === 0) continue;
      queued.push(key);
      const lines = this.#waiting.get(key) ?? new Map<string, number>();
      this.#waiting.set(key, lines.set(deviceId, row.queued));
    }
    for (const key of loaded) {
      const holders = this.#holders.get(key) ?? new Set<string>();
      this.#holders.set(key, holders.add(deviceId));
    }
    this.#counted.set(deviceId, { holder, loaded, queued, round: this.#round });
  }

  #forget({ holder: { deviceId }, loaded, queued }: Counted): void {
    this.#counted.delete(deviceId);
    for (const key of loaded) {
      const holders = this.#holders.get(key);
      holders?.delete(deviceId);
      if (holders?.size === 0) this.#holders.delete(key);
    }
    for (const key of queued) {
      const lines = this.#waiting.get(key);
      lines?.delete(deviceId);
      if (lines?.size === 0) this.#waiting.delete(key);
    }
  }
}

/** What a server has in memory or is loading: what it tells itself is newer than its list. Pure. */
export function inMemory({ load, loadedKeys }: Memory): readonly string[] {
  const loaded = [...loadedKeys].filter((key) => load?.models[key] === undefined);
  for (const key in load?.models) {
    const row = load.models[key];
    if (row?.loaded || row?.loading) loaded.push(key);
  }
  return loaded;
}

/**
 * What loading a model at a server that has this load weighs, besides its time. `balance` is asked for a factor on
 * the price of pushing those models out. Pure but for what `demand` knows.
 */
export function weightOf(
  demand: Demand,
  model: string,
  load: ServerLoad | undefined,
  balance: (evicts: readonly string[]) => number = () => 1,
): LoadWeight {
  const row = load?.models[model];
  if (row?.loaded) return ORDINARY_LOAD;
  const usual = demand.holders(model).size > 0 ? AGAIN : ORDINARY_LOAD;
  if (!row || row.evicts.length === 0) return usual;
  let plain = 0;
  let weighted = 0;
  let waiting = 0;
  for (const key of row.evicts) {
    const loadMs = load.models[key]?.loadMs ?? 0;
    plain += loadMs;
    weighted += demand.holders(key).size > 1 ? loadMs : LAST_COPY * loadMs;
    waiting = Math.max(waiting, demand.waiting(key));
  }
  return {
    scarcity: plain > 0 ? weighted / plain : 1,
    rush: ((CROWD + waiting) / (CROWD + demand.waiting(model))) * balance(row.evicts),
    again: usual.again,
  };
}
