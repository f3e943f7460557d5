import type { Cost } from '../fleet/cost-rules.ts';
import type { ServerFacts } from '../fleet/pool.ts';

/** What is thought of a model at a server that has not run it; ms, tokens. What is absent nobody knows. */
export type Guess = Partial<Pick<Cost, Field>>;

/** What a guess is made from. */
export type SpeedsTold = Pick<ServerFacts, 'deviceId' | 'load'>;

/** Speeds are learned over many requests: what they say together need not be newer than this, ms. */
const RENEW_MS = 500;

type Field = 'decodeMsPerToken' | 'prefillMsPerToken' | 'loadMs' | 'outputTokens';
const FIELDS: readonly Field[] = ['decodeMsPerToken', 'prefillMsPerToken', 'loadMs', 'outputTokens'];

/** In a large fleet every model has run on so many servers that their mean is no one server's doing. */
const MANY_SERVERS = 100;
/** With one model of four in common they come within an eighth of how much faster one server is than another. */
const ROUNDS = 8;

/** Those that a faster server does better by its factor. */
const BY_SPEED: ReadonlySet<Field> = new Set(['decodeMsPerToken', 'prefillMsPerToken']);

/** A mean of logarithms: speeds differ by factors. */
class LogMean {
  #sum = 0;
  #count = 0;
  #least = Number.POSITIVE_INFINITY;

  /** `by` is what the value would be divided by to compare with the others. */
  add(value: number | null, by = 1): void {
    if (value === null || !(value > 0)) return;
    this.#sum += Math.log(value / by);
    this.#least = Math.min(this.#least, value);
    this.#count += 1;
  }

  /** The least of them. */
  get least(): number | undefined {
    return this.#count === 0 ? undefined : this.#least;
  }

  get value(): number | undefined {
    return this.#count === 0 ? undefined : Math.exp(this.#sum / this.#count);
  }
}

type Means = Readonly<Record<Field, LogMean>>;

const newMeans = (): Means => ({
  decodeMsPerToken: new LogMean(),
  prefillMsPerToken: new LogMean(),
  loadMs: new LogMean(),
  outputTokens: new LogMean(),
});

/**
 * Guesses what a model costs at a server that has not run it yet, from what it costs elsewhere and from how much
 * faster or slower that server is with the models that it has run: a GPU that is four times as fast with one is
 * about that with another.
 */
export class FleetSpeeds {
  #models: ReadonlyMap<string, Means> = new Map();
  #factors: ReadonlyMap<string, number> = new Map();
  #lengths = new LogMean();
  #readAt = Number.NEGATIVE_INFINITY;

  /** What a model is thought to cost at a server; `now` is on the clock. */
  guess(servers: readonly SpeedsTold[], deviceId: string, model: string, now: number): Guess {
    this.read(servers, now);
    const means = this.#models.get(model);
    // Whatever model answers, people ask for answers of about the same length.
    if (!means) return known({ outputTokens: this.#lengths.value });
    const factor = this.#factors.get(deviceId);
    const { decodeMsPerToken, prefillMsPerToken, loadMs, outputTokens } = means;
    // A server that has run nothing yet is taken for as fast as the fastest: then it gets tried.
    const speed = ({ least, value }: LogMean) =>
      factor === undefined || value === undefined ? least : value * factor;
    return known({
      decodeMsPerToken: speed(decodeMsPerToken),
      prefillMsPerToken: speed(prefillMsPerToken),
      loadMs: loadMs.value,
      outputTokens: outputTokens.value,
    });
  }

  /** Takes note of what servers told last; `now` is on the clock. */
  read(servers: readonly SpeedsTold[], now: number): void {
    if (now - this.#readAt < RENEW_MS) return;
    this.#readAt = now;
    this.#factors = slownessOf(servers);
    this.#lengths = new LogMean();
    const models = new Map<string, Means>();
    for (const { deviceId, load } of servers) {
      const factor = this.#factors.get(deviceId) ?? 1;
      for (const model in load?.models) {
        const row = load.models[model];
        if (!row) continue;
        const means = models.get(model) ?? newMeans();
        models.set(model, means);
        for (const field of FIELDS) means[field].add(row[field], BY_SPEED.has(field) ? factor : 1);
        this.#lengths.add(row.outputTokens);
      }
    }
    this.#models = models;
  }

  /** How fast a server is beside the mean of them, as read last; 1 where nothing is known of it. */
  speedOf(deviceId: string): number {
    return 1 / (this.#factors.get(deviceId) ?? 1);
  }
}

/**
 * How many times as long as the mean of all each server takes, by what all models take everywhere: a model's time at
 * a server is taken for a product of one factor of the model and one of the server, fitted by alternating means. One
 * that ran only where it is slow would else make that server look like an ordinary one. Pure.
 */
function slownessOf(servers: readonly SpeedsTold[]): ReadonlyMap<string, number> {
  let factors: ReadonlyMap<string, number> = new Map();
  const rounds = servers.length > MANY_SERVERS ? 1 : ROUNDS;
  for (let round = 0; round < rounds; round += 1) {
    const models = new Map<string, LogMean>();
    const each = (note: (deviceId: string, model: string, ms: number) => void) => {
      for (const { deviceId, load } of servers)
        for (const model in load?.models) {
          const ms = load.models[model]?.decodeMsPerToken ?? null;
          if (ms !== null) note(deviceId, model, ms);
        }
    };
    each((deviceId, model, ms) => meanOf(models, model).add(ms, factors.get(deviceId)));
    const means = new Map<string, LogMean>();
    each((deviceId, model, ms) => meanOf(means, deviceId).add(ms, models.get(model)?.value));
    factors = new Map([...means].map(([deviceId, { value }]) => [deviceId, value ?? 1]));
  }
  return factors;
}

function meanOf(means: Map<string, LogMean>, key: string): LogMean {
  const mean = means.get(key) ?? new LogMean();
  means.set(key, mean);
  return mean;
}

function known(guess: { readonly [F in Field]?: number | undefined }): Guess {
  return Object.fromEntries(Object.entries(guess).filter(([, value]) => value !== undefined));
}
