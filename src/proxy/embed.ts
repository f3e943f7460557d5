import { type Counters, readCounters } from '../ollama/counters.ts';
import { joinAnswers } from '../ollama/embed-join.ts';
import { type InputSpans, inputSpans, splitBodies } from '../ollama/embed-split.ts';
import { embedHolders, planEmbed, type Share } from '../routing/embed-plan.ts';
import { EmbedRates } from '../routing/embed-rates.ts';
import type { Pick } from '../routing/pick.ts';
import { attemptBegan, attemptEnded } from './attempt-told.ts';
import type { Body } from './body.ts';
import { askPart, type PartOptions } from './embed-part.ts';
import type { ProxyEvent } from './events.ts';
import type { Exchange } from './exchange.ts';
import type { Asked } from './want.ts';

export interface EmbedOptions extends PartOptions {
  readonly emit: (event: ProxyEvent) => void;
}

/** A request with several inputs that several servers could share. */
export interface Batch {
  readonly protocol: 'ollama' | 'openai';
  readonly modelKey: string;
  readonly json: Buffer;
  readonly inputs: InputSpans;
}

/** A part of a batch that has been done. */
interface Done {
  readonly answer: Buffer;
  readonly contentType: string;
  readonly count: number;
  readonly server: string;
}

const PROTOCOLS: ReadonlyMap<string, Batch['protocol']> = new Map([
  ['/api/embed', 'ollama'],
  ['/v1/embeddings', 'openai'],
]);

/** Answers kept for one request, bytes: 3000 vectors of 1024 numbers or more. A longer one streams from one server. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Answers kept by all split requests together, bytes. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

/** The end of an answer where its counters are, bytes. */
const COUNTERS_BYTES = 8 * 1024;

/** Splits embedding requests over servers where that makes them end sooner, and learns how fast the servers are. */
export class EmbedBatches {
  readonly #options: EmbedOptions;
  readonly #rates = new EmbedRates();
  #held = 0;

  constructor(options: EmbedOptions) {
    this.#options = options;
  }

  /** The batch in a request that may go to any server; undefined when there is none or nobody to share it. */
  find(exchange: Exchange, { modelKey }: Asked, body: Body): Batch | undefined {
    const { route, request } = exchange;
    const protocol = PROTOCOLS.get(route.path);
    if (!protocol || modelKey === undefined || body.type !== 'whole') return undefined;
    if (request.headers['content-encoding'] !== undefined) return undefined;
    if (embedHolders(this.#options.router.pool(), modelKey).length < 2) return undefined;
    const inputs = inputSpans(body.bytes);
    return inputs && { protocol, modelKey, json: body.bytes, inputs };
  }

  /** Learns from a request that `pick` has answered, `ms` after it was sent. */
  learn({ modelKey, inputs }: Batch, pick: Pick, ms: number): void {
    this.#note(modelKey, inputs.from.length, pick, ms);
  }

  /**
   * Has a batch done by several servers and answers the client. Resolves with false when it is better done by one,
   * or turned out so; nothing has been sent to the client then. An abort closes all connections at once.
   */
  async answer(
    exchange: Exchange,
    batch: Batch,
    headers: () => readonly string[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const shares = this.#plan(batch);
    if (!shares || this.#held >= MAX_HELD_BYTES) return false;
    // Every connection listens for the client's leaving, beside the few listeners there are.
    exchange.response.setMaxListeners(exchange.response.getMaxListeners() + shares.length);
    let bytes = 0;
    const takeRoom = (more: number): boolean => {
      bytes += more;
      this.#held += more;
      return bytes <= MAX_ANSWER_BYTES && this.#held <= MAX_HELD_BYTES;
    };
    try {
      const parts = await this.#askAll(exchange, batch, shares, takeRoom, signal);
      if (signal.aborted) return true;
      const [first] = parts ?? [];
      const joined = parts && joinOrNot(batch, parts);
      if (!first || !parts || !joined) return false;
      exchange.server = [...new Set(parts.map(({ server }) => server))].join(', ');
      exchange.deviceId = undefined;
      exchange.reason = 'split';
      exchange.firstByteAt = this.#options.clock.now();
      exchange.bytes += joined.length;
      exchange.counters = countersOf(batch, joined);
      const own = ['Content-Type', first.contentType, 'Content-Length', String(joined.length)];
      exchange.response.writeHead(200, [...own, ...headers()]);
      exchange.response.end(joined);
      return true;
    } finally {
      this.#held -= bytes;
    }
  }

  #plan({ modelKey, inputs }: Batch): readonly Share[] | undefined {
    const holders = embedHolders(this.#options.router.pool(), modelKey);
    const speedOf = ({ deviceId }: { deviceId: string }) => this.#rates.speed(deviceId, modelKey);
    return planEmbed(inputs.from.length, holders, modelKey, speedOf);
  }

  /** All parts in order, or undefined as soon as one cannot be done: then the others are given up. */
  async #askAll(
    exchange: Exchange,
    batch: Batch,
    shares: readonly Share[],
    takeRoom: (bytes: number) => boolean,
    signal: AbortSignal,
  ): Promise<readonly Done[] | undefined> {
    const over = new AbortController();
    const stop = () => over.abort();
    signal.addEventListener('abort', stop, { once: true });
    const sizes = shares.map(({ inputs }) => inputs);
    const bodies = splitBodies(batch.json, batch.inputs, sizes);
    const running = shares.map(async ({ server, inputs }, index) => {
      const body = bodies[index] ?? Buffer.alloc(0);
      const part = { modelKey: batch.modelKey, body, count: inputs, first: server.deviceId };
      const done = await this.#askUntilDone(exchange, part, takeRoom, over.signal);
      if (!done) stop();
      return done;
    });
    const done = await Promise.all(running);
    signal.removeEventListener('abort', stop);
    return done.every((part) => part !== undefined) ? done : undefined;
  }

  /** Tries one part at its server, then at the other holders; undefined when none could or `signal` aborts. */
  async #askUntilDone(
    exchange: Exchange,
    part: { modelKey: string; body: Buffer; count: number; first: string },
    takeRoom: (bytes: number) => boolean,
    signal: AbortSignal,
  ): Promise<Done | undefined> {
    const { router, clock } = this.#options;
    const { modelKey, body, count } = part;
    const tried = new Set<string>();
    const doubted: string[] = [];
    let fresh = false;
    let failed = false;
    let isRepeat = false;
    while (!signal.aborted) {
      // Whoever has finished its own part has least to do, so it comes before those still at theirs.
      const rest = embedHolders(router.pool(), modelKey).toSorted((a, b) => a.inFlight - b.inFlight);
      const ids = tried.size === 0 ? [part.first] : rest.map(({ deviceId }) => deviceId);
      const pick = router.pickFrom(ids, tried, 'split');
      if (!pick) return undefined;
      const since = clock.now();
      if (!isRepeat) exchange.attempts += 1;
      if (failed && !isRepeat) exchange.retries += 1;
      const attempt = exchange.attempts;
      this.#options.emit(attemptBegan(exchange, pick, attempt));
      const end = await askPart(this.#options, { exchange, pick, body, fresh, signal, takeRoom });
      pick.release(end.outcome);
      this.#options.emit(attemptEnded(exchange, pick, attempt, end, clock.now() - since));
      isRepeat = end.type === 'again';
      if (end.type === 'again') {
        fresh = true;
        continue;
      }
      tried.add(pick.server.deviceId);
      if (end.type === 'answered') {
        this.#note(modelKey, count, pick, clock.now() - since);
        // What one server refused with 500 and another did was the first one's failure, not the request's.
        for (const id of doubted)
          router.judge(id, { type: 'failed', cause: 'status', reason: 'it answered 500' });
        return { answer: end.body, contentType: end.contentType, count, server: pick.server.name };
      }
      if (end.type === 'unsplit') return undefined;
      failed = true;
      if (end.status === 500) doubted.push(pick.server.deviceId);
    }
    return undefined;
  }

  #note(modelKey: string, inputs: number, { server }: Pick, ms: number): void {
    const alone = server.inFlight === 0;
    const loaded = server.loadedKeys.has(modelKey);
    this.#rates.note(server.deviceId, modelKey, { inputs, ms, alone, loaded });
  }
}

/** What the joined answer counts: behind its vectors. */
function countersOf({ protocol }: Batch, joined: Buffer): Counters | undefined {
  const tail = joined.toString('utf8', Math.max(0, joined.length - COUNTERS_BYTES));
  return readCounters({ protocol, framing: 'none', tail });
}

/** Undefined where what the servers said does not fit together: one server's answer is then passed on as it is. */
function joinOrNot({ protocol }: Batch, parts: readonly Done[]): Buffer | undefined {
  try {
    return joinAnswers(protocol, parts);
  } catch {
    return undefined;
  }
}
