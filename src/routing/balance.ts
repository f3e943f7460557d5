import { bottleneckMs } from './bottleneck.ts';
import { type Holder, inMemory } from './demand.ts';

/** What is thought of speeds. */
export interface Speeds {
  /** Takes note of what servers told last; `now` is on the clock. */
  read(holders: readonly Holder[], now: number): void;
  /** How fast a server is beside the others; 1 where nothing is known. */
  speedOf(deviceId: string): number;
}

/** Loads take longer: this old what is known is good enough, ms. */
const RENEW_MS = 100;
/** Among more of them it hardly matters what one has in memory. */
const MAX_SERVERS = 30;
/** The bottleneck of more takes too long; of more, those with most work are looked at. */
const MAX_MODELS = 8;
/** Work of a model of which nobody has seen any, ms: what is known of others soon counts for more. */
const UNSEEN_MS = 500;
/** Who waits tells of what is asked for now, what was done of what was asked before. */
const WAITING_COUNTS = 2;
/**
 * Simulated with three GPUs at 80 % load, 450 runs: more than twice as many loads as places in memory in 14 % of them
 * without this price, in 6 % with it; anything from 1 to 1.6 does as well.
 */
const USUAL = 1.3;
/** The better of two spreads is worth its square, within these. */
const LEAST = 0.3;
const MOST = 8;

/** What one look at the fleet showed. */
interface Seen {
  readonly holders: readonly Holder[];
  /** Models in memory, by server. */
  readonly sets: readonly ReadonlySet<string>[];
  readonly speeds: readonly number[];
  /** ms of a server of speed 1; those with most first. */
  readonly work: ReadonlyMap<string, number>;
}

/**
 * Tells whether a load that pushes models out would spread the models better over the fleet, for what is asked for:
 * a queue alone does not say so, it may be chance. By what servers tell of the work done and waiting.
 */
export class Balance {
  readonly #speeds: Speeds;
  readonly #factors = new Map<string, number>();
  #seen: Seen | undefined;
  #seenAt = Number.NEGATIVE_INFINITY;

  constructor(speeds: Speeds) {
    this.#speeds = speeds;
  }

  /**
   * Factor on the price of loading `model` at that server, where it pushes out `evicts`; 1 in a large fleet. `now` is
   * on the clock.
   */
  factor(
    holders: readonly Holder[],
    deviceId: string,
    model: string,
    evicts: readonly string[],
    now: number,
  ): number {
    if (holders.length > MAX_SERVERS || evicts.length >= MAX_MODELS) return 1;
    if (now - this.#seenAt >= RENEW_MS) {
      this.#speeds.read(holders, now);
      this.#seen = look(holders, this.#speeds);
      this.#seenAt = now;
      this.#factors.clear();
    }
    const key = JSON.stringify([deviceId, model, ...evicts]);
    const known = this.#factors.get(key);
    if (known !== undefined || !this.#seen) return known ?? 1;
    const factor = factorOf(this.#seen, deviceId, model, evicts);
    this.#factors.set(key, factor);
    return factor;
  }
}

function look(holders: readonly Holder[], speeds: Speeds): Seen {
  const sets = holders.map((holder) => new Set(inMemory(holder)));
  const rate = holders.map(({ deviceId }) => speeds.speedOf(deviceId));
  const work = new Map<string, { done: number; waiting: number }>();
  for (const set of sets) for (const key of set) work.set(key, { done: 0, waiting: 0 });
  for (const [i, { load }] of holders.entries()) {
    const speed = rate[i] ?? 1;
    for (const key in load?.models) {
      const row = load.models[key];
      if (!row || (row.recentMs === 0 && row.queued === 0 && !work.has(key))) continue;
      const { done, waiting } = work.get(key) ?? { done: 0, waiting: 0 };
      // One request waits in several queues.
      work.set(key, {
        done: done + row.recentMs * speed,
        waiting: Math.max(waiting, row.backlogMs * speed),
      });
    }
  }
  const sums = [...work].map(
    ([key, { done, waiting }]) => [key, UNSEEN_MS + done + WAITING_COUNTS * waiting] as const,
  );
  return { holders, sets, speeds: rate, work: new Map(sums.sort((a, b) => b[1] - a[1])) };
}

function factorOf(
  { holders, sets, speeds, work }: Seen,
  deviceId: string,
  model: string,
  evicts: readonly string[],
): number {
  const models = [...new Set([model, ...evicts, ...work.keys()])].slice(0, MAX_MODELS);
  const wanted = models.map((key) => work.get(key) ?? UNSEEN_MS);
  const bits = (has: (key: string) => boolean) =>
    models.reduce((sum, key, i) => sum | (has(key) ? 1 << i : 0), 0);
  const before = sets.map((set) => bits((key) => set.has(key)));
  const after = holders.map((holder, i) =>
    holder.deviceId === deviceId
      ? bits((key) => key === model || (sets[i]?.has(key) === true && !evicts.includes(key)))
      : (before[i] ?? 0),
  );
  const now = bottleneckMs({ speeds, holds: before, work: wanted });
  const then = bottleneckMs({ speeds, holds: after, work: wanted });
  const ratio = then / now;
  // A server may tell numbers beyond all sense, and is not to spoil what is known of the others.
  return Number.isFinite(ratio) ? Math.min(MOST, Math.max(LEAST, USUAL * ratio ** 2)) : 1;
}
