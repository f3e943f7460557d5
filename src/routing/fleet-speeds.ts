import type { Cost } from '../fleet/cost-rules.ts';
import type { ModelLoad } from '../fleet/load.ts';
import type { ServerFacts } from '../fleet/pool.ts';

/** What is thought of a model at a server that has not run it; ms, tokens. What is absent nobody knows. */
export type Guess = Partial<Pick<Cost, Field>>;

/** What a guess is made from. */
export type SpeedsTold = Pick<ServerFacts, 'deviceId' | 'load'>;

/** Speeds are learned over many requests: what they say together need not be newer than this, ms. */
const RENEW_MS = 500;

type Field = 'decodeMsPerToken' | 'prefillMsPerToken' | 'loadMs' | 'outputTokens';
const FIELDS: readonly Field[] = ['decodeMsPerToken', 'prefillMsPerToken', 'loadMs', 'outputTokens'];

/** A mean of logarithms: speeds differ by factors. */
class LogMean {
  #sum = 0;
  #count = 0;
  #least = Number.POSITIVE_INFINITY;

  add(value: number | null): void {
    if (value === null || !(value > 0)) return;
    this.#sum += Math.log(value);
    this.#least = Math.min(this.#least, value);
    this.#count += 1;
  }

  /** The least of them. */
  get least(): number | undefined {
    return this.#count === 0 ? undefined : this.#least;
  }

  get log(): number | undefined {
    return this.#count === 0 ? undefined : this.#sum / this.#count;
  }
}

/**
 * Guesses what a model costs at a server that has not run it yet, from what it costs elsewhere and from how much
 * faster or slower that server is with the models that it has run: a GPU that is four times as fast with one is
 * about that with another.
 */
export class FleetSpeeds {
  #models = new Map<string, Record<Field, LogMean>>();
  #factors = new Map<string, number>();
  #readAt = Number.NEGATIVE_INFINITY;

  /** What a model is thought to cost at a server; `now` is on the clock. */
  guess(servers: readonly SpeedsTold[], deviceId: string, model: string, now: number): Guess {
    if (now - this.#readAt >= RENEW_MS) this.#read(servers, now);
    const means = this.#models.get(model);
    const factor = this.#factors.get(deviceId);
    const mean = (field: Field, by = 1) => {
      const log = means?.[field].log;
      return log === undefined ? undefined : Math.exp(log) * by;
    };
    // A server that has run nothing yet is taken for as fast as the fastest: then it gets tried.
    const speed = (field: Field) => (factor === undefined ? means?.[field].least : mean(field, factor));
    return known({
      decodeMsPerToken: speed('decodeMsPerToken'),
      prefillMsPerToken: speed('prefillMsPerToken'),
      loadMs: mean('loadMs'),
      outputTokens: mean('outputTokens'),
    });
  }

  #read(servers: readonly SpeedsTold[], now: number): void {
    this.#readAt = now;
    this.#models = new Map();
    this.#factors = new Map();
    for (const { load } of servers) {
      for (const model in load?.models) {
        const row = load.models[model];
        if (row) this.#note(model, row);
      }
    }
    for (const { deviceId, load } of servers) {
      const factor = new LogMean();
      for (const model in load?.models) {
        const own = load.models[model]?.decodeMsPerToken ?? null;
        const log = this.#models.get(model)?.decodeMsPerToken.log;
        if (own !== null && log !== undefined) factor.add(own / Math.exp(log));
      }
      if (factor.log !== undefined) this.#factors.set(deviceId, Math.exp(factor.log));
    }
  }

  #note(model: string, row: ModelLoad): void {
    let means = this.#models.get(model);
    if (!means) {
      means = {
        decodeMsPerToken: new LogMean(),
        prefillMsPerToken: new LogMean(),
        loadMs: new LogMean(),
        outputTokens: new LogMean(),
      };
      this.#models.set(model, means);
    }
    for (const field of FIELDS) means[field].add(row[field]);
  }
}

function known(guess: Readonly<Record<Field, number | undefined>>): Guess {
  return Object.fromEntries(Object.entries(guess).filter(([, value]) => value !== undefined));
}
