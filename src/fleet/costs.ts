import type { Cancel } from '../clock.ts';
import { readCost } from './cost-record.ts';
import { type Cost, type CostSample, confidenceOf, NO_COST, nextCost } from './cost-rules.ts';

/** More than a household or an office has; the ones longest without a request are forgotten. */
const MAX_SERVERS = 64;
/** More than anybody keeps on a disk. */
const MAX_MODELS = 256;
/** Longer names come from nobody honest. */
const MAX_KEY_CHARS = 512;

export interface CostEntry {
  readonly deviceId: string;
  /** `modelKey` of the model. */
  readonly model: string;
  readonly cost: Cost;
}

/** What models cost at servers, learned from finished requests. */
export class Costs {
  readonly #servers = new Map<string, Map<string, Cost>>();
  /** Asked for each server of every decision. */
  readonly #anywhere = new Map<string, Cost>();
  #length: number | undefined | 'unread' = 'unread';
  readonly #listeners = new Set<() => void>();

  /** Learns from a finished request. */
  learn(deviceId: string, model: string, sample: CostSample): void {
    const before = this.of(deviceId, model);
    const cost = nextCost(before, sample);
    if (cost === before || !this.#put(deviceId, model, cost)) return;
    for (const listener of this.#listeners) listener();
  }

  /** What is known of a model at a server; `NO_COST` when nothing is. */
  of(deviceId: string, model: string): Cost {
    return this.#servers.get(deviceId)?.get(model) ?? NO_COST;
  }

  /** The mean over all servers that have run the model: what to expect of one that has not. */
  ofModelAnywhere(model: string): Cost {
    const known = this.#anywhere.get(model);
    if (known) return known;
    const costs = [...this.#servers.values()].flatMap((models) => models.get(model) ?? []);
    if (costs.length === 0) return NO_COST;
    const mean = meanOf(costs);
    this.#anywhere.set(model, mean);
    return mean;
  }

  /** Mean length of an answer, whichever model gave it; undefined when none is known. Tokens. */
  usualLength(): number | undefined {
    if (this.#length === 'unread')
      this.#length = meanOf(
        [...this.#servers.values()].flatMap((models) => [...models.values()]),
      ).outputTokens;
    return this.#length;
  }

  /** Everything known; the server and model longest without a request first. */
  entries(): readonly CostEntry[] {
    return [...this.#servers].flatMap(([deviceId, models]) =>
      [...models].map(([model, cost]) => ({ deviceId, model, cost })),
    );
  }

  /** `onChange` is called after something was learned; it must not throw. */
  listen(onChange: () => void): Cancel {
    this.#listeners.add(onChange);
    return () => void this.#listeners.delete(onChange);
  }

  toJSON(): readonly CostEntry[] {
    return this.entries();
  }

  /** Takes what `toJSON` gave; what is not such an entry, or is known already, is skipped. Returns how many it took. */
  load(value: unknown): number {
    if (!Array.isArray(value)) return 0;
    let taken = 0;
    for (const entry of value.slice(-MAX_SERVERS * MAX_MODELS) as unknown[]) {
      const { deviceId, model, cost } = (entry ?? {}) as Partial<Record<keyof CostEntry, unknown>>;
      if (typeof deviceId !== 'string' || typeof model !== 'string') continue;
      const read = readCost(cost);
      if (read && this.of(deviceId, model) === NO_COST && this.#put(deviceId, model, read)) taken++;
    }
    return taken;
  }

  #put(deviceId: string, model: string, cost: Cost): boolean {
    if (deviceId.length > MAX_KEY_CHARS || model.length > MAX_KEY_CHARS) return false;
    const models = this.#servers.get(deviceId) ?? new Map<string, Cost>();
    this.#anywhere.delete(model);
    this.#length = 'unread';
    const lost = putLast(models, model, cost, MAX_MODELS);
    if (lost) this.#anywhere.delete(lost[0]);
    const gone = putLast(this.#servers, deviceId, models, MAX_SERVERS);
    for (const key of gone?.[1].keys() ?? []) this.#anywhere.delete(key);
    return true;
  }
}

/** Makes `key` the newest of a map; returns the oldest where that is one too many, removed. */
function putLast<V>(map: Map<string, V>, key: string, value: V, most: number): [string, V] | undefined {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map;
  if (map.size <= most || !oldest) return undefined;
  map.delete(oldest[0]);
  return oldest;
}

function meanOf(costs: readonly Cost[]): Cost {
  const mean = (pick: (cost: Cost) => number | undefined) => {
    const known = costs.flatMap((cost) => pick(cost) ?? []);
    return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  const total = (pick: (cost: Cost) => number) => costs.reduce((sum, cost) => sum + pick(cost), 0);
  const samples = total((cost) => cost.samples);
  return {
    decodeMsPerToken: mean((cost) => cost.decodeMsPerToken),
    prefillMsPerToken: mean((cost) => cost.prefillMsPerToken),
    loadMs: mean((cost) => cost.loadMs),
    outputTokens: mean((cost) => cost.outputTokens),
    samples,
    confidence: confidenceOf(samples),
    seen: {
      decode: total(({ seen }) => seen.decode),
      prefill: total(({ seen }) => seen.prefill),
      load: total(({ seen }) => seen.load),
      output: total(({ seen }) => seen.output),
    },
  };
}
