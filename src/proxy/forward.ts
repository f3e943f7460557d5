import { OllanaError } from '../errors.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { BodyDecoder } from '../ollama/decode-body.ts';
import { LongLook } from '../ollama/long-look.ts';
import type { Targets } from '../routing/targets.ts';
import type { AttendedOptions } from './attended.ts';
import { AutoPull, type AutoPullOptions } from './auto-pull.ts';
import type { Body, BodyReader } from './body.ts';
import { bodyBounds } from './body-limits.ts';
import { type ChooseOptions, Chooser, RELIST_MS } from './choose.ts';
import { ClientGone } from './client-gone.ts';
import { EmbedBatches } from './embed.ts';
import type { Exchange } from './exchange.ts';
import type { LanPull } from './lan-pull.ts';
import { ownHeaders } from './own-headers.ts';
import { isRepeatable } from './retry.ts';
import { type StoredAnswer, sendStored } from './stored-answer.ts';
import { type SubstituteOptions, substituted } from './substitute.ts';
import { type TryOptions, tryAt } from './try-at.ts';
import { discardRest } from './upload.ts';
import { type Asked, askedFor } from './want.ts';

export interface ForwardOptions
  extends AttendedOptions,
    ChooseOptions,
    TryOptions,
    SubstituteOptions,
    AutoPullOptions {
  /** How many servers run a request at once, of which the first token wins; absent: one. */
  readonly raceWidth?: number | undefined;
  /** Answers pulls with what paired servers have; absent where no model is stored. */
  readonly lanPull?: LanPull | undefined;
  readonly bodies: BodyReader;
  /** Throws, or rejects, when this client may not have what it asks for. */
  readonly admit: (exchange: Exchange, asked: Asked) => void | Promise<void>;
  /** Where a request may go. */
  readonly target: (exchange: Exchange, asked: Asked) => Targets;
  /** Sends a request to several servers and answers it. */
  readonly toEach: (
    exchange: Exchange,
    servers: readonly PoolServer[],
    body: Buffer,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Says why nobody could take a request for this model, and what to do. */
  readonly explain: (asked: Asked) => string;
}

/** Seats that a request was promised and did not get before it looks elsewhere: such a server contradicts itself. */
const MAX_BUSY = 8;

/** Sends requests to servers, one after the other if need be, until one has answered. */
export class Forwarder {
  readonly #options: ForwardOptions;
  readonly #decoder: BodyDecoder;
  readonly #aside: LongLook;
  readonly #embeds: EmbedBatches;
  readonly #pulls: AutoPull;

  constructor(options: ForwardOptions) {
    this.#options = options;
    this.#decoder = new BodyDecoder({ clock: options.clock, onLimit: options.emit });
    this.#aside = new LongLook(options.clock);
    this.#embeds = new EmbedBatches(options);
    this.#pulls = new AutoPull(options);
  }

  /**
   * Has a request answered by a server. Rejects with an `OllanaError` when none could and nothing has been
   * sent to the client; returns quietly when the client has left.
   */
  async forward(exchange: Exchange): Promise<void> {
    using gone = new ClientGone(exchange.response);
    const { bodies, clock } = this.#options;
    const { request, route } = exchange;
    let body: Body | undefined;
    try {
      const bounds = bodyBounds(route, request.socket.remoteAddress);
      body = await bodies.read(request, exchange.response, bounds);
      if (route.class === 'inference')
        this.#options.bodyLog?.request(exchange.id, body.type === 'whole' ? body.bytes : body.beginning);
      await this.#tryServers(exchange, body, gone);
    } catch (error) {
      if (!gone.aborted) throw error;
    } finally {
      body?.release();
      discardRest(request, clock);
    }
  }

  #asked({ route, target, request }: Exchange, body: Body): Promise<Asked> {
    return askedFor({
      route,
      target,
      headers: request.headers,
      body: body.type === 'whole' ? body.bytes : body.beginning,
      partly: body.type === 'streaming',
      decoder: this.#decoder,
      aside: this.#aside,
      peer: request.socket.remoteAddress,
    });
  }

  async #tryServers(exchange: Exchange, sent: Body, gone: ClientGone): Promise<void> {
    const { router, raceWidth = 1 } = this.#options;
    let body = sent;
    let asked = await this.#asked(exchange, body);
    exchange.model = asked.model;
    exchange.isUse = asked.isUse;
    exchange.tags = asked.tags;
    await this.#options.admit(exchange, asked);
    // What must reach every holder must reach the one that got its copy a moment ago, too.
    if (exchange.route.class === 'broadcast' || asked.unloads) await router.relist(RELIST_MS);
    const targets = this.#options.target(exchange, asked);
    if (targets.type === 'nobody') {
      throw new OllanaError('OLLANA_NO_SERVER', targets.message, { status: targets.status });
    }
    if (targets.type === 'each' && body.type === 'whole') {
      return this.#options.toEach(exchange, targets.servers, body.bytes, gone.signal);
    }
    if (exchange.route.path === '/api/pull' && (await this.#copied(exchange, asked, body, targets, gone)))
      return;
    const other = targets.type === 'any' ? substituted(this.#options, exchange, asked, body) : undefined;
    if (other) {
      body = other;
      asked = await this.#asked(exchange, body);
    }
    if (targets.type === 'any' && !this.#sleeps(asked))
      await this.#pulls.pullIfMissing(exchange, asked, gone);
    const batch = targets.type === 'any' ? this.#embeds.find(exchange, asked, body) : undefined;
    const splitHeaders = () => this.#answerHeaders(exchange, 'split');
    if (batch && (await this.#embeds.answer(exchange, batch, splitHeaders, gone.signal))) return;
    const chooser = new Chooser(this.#options, exchange, asked, targets, gone);
    const tried = new Set<string>();
    const doubted: string[] = [];
    let said: StoredAnswer | undefined;
    let broke: string | undefined;
    let fresh = !isRepeatable({
      routeClass: exchange.route.class,
      method: exchange.method,
      replayable: body.type === 'whole',
    });
    let over = false;
    let failed = false;
    while (!gone.aborted && !over) {
      const pick = (await chooser.best(tried)) ?? (said ? undefined : await chooser.hold(tried));
      if (gone.aborted) return pick?.release({ type: 'nobody' });
      if (!pick) break;
      if (failed) exchange.retries += 1;
      const since = this.#options.clock.now();
      const rivals = fresh || body.type !== 'whole' ? [] : chooser.rivals(pick, tried, raceWidth - 1);
      const ends = await tryAt(this.#options, { exchange, asked, body, fresh }, [pick, ...rivals]);
      for (const { pick: one, end } of ends) {
        if (end.type === 'busy' && chooser.foundBusy() > MAX_BUSY) tried.add(one.server.deviceId);
        if (end.type === 'busy' || end.type === 'lost') continue;
        if (end.type === 'again') {
          fresh = true;
          continue;
        }
        tried.add(one.server.deviceId);
        if (end.type === 'answered') {
          if (batch && end.outcome.type === 'completed')
            this.#embeds.learn(batch, one, this.#options.clock.now() - since);
          // What one server refused with 500 and another did was the first one's failure, not the request's.
          for (const deviceId of doubted)
            router.judge(deviceId, { type: 'failed', cause: 'status', reason: 'it answered 500' });
          return;
        }
        if (end.type === 'client-left') return;
        if (end.type === 'failed') {
          // Of an answer that had begun the client has been told; the words may still wait for it to read.
          if (end.begun) return;
          throw new OllanaError(
            'OLLANA_UPSTREAM_FAILED',
            `${one.server.name} failed, and this request is not repeated elsewhere: ${end.reason}`,
            { status: 502 },
          );
        }
        failed = true;
        if (end.outcome.type === 'failed' && end.outcome.cause === 'stream')
          broke = `${one.server.name} broke off: ${end.outcome.reason}`;
        if (end.answer?.status === 500) doubted.push(one.server.deviceId);
        const fromOllana = end.answer?.rawHeaders.some((name) => name.toLowerCase() === 'x-ollana-error');
        if (end.answer && !fromOllana) said = end.answer;
        over ||= end.final === true;
        over ||= body.type === 'streaming' && end.outcome.type === 'failed' && end.outcome.cause !== 'dial';
      }
    }
    if (gone.aborted) return;
    if (said)
      return sendStored(said, exchange.response, this.#answerHeaders(exchange, 'every server refused'));
    // Whoever asked us is told which it was: one that breaks off is there, and a probe would not see what is wrong.
    const [code, more] =
      broke === undefined
        ? (['OLLANA_NO_SERVER', ''] as const)
        : (['OLLANA_UPSTREAM_TRUNCATED', `; ${broke}`] as const);
    const why = chooser.wokenInVain ?? this.#options.explain(asked);
    throw new OllanaError(code, why + more, { status: 503, retryAfterS: 5 });
  }

  /** Whether a server that sleeps has the model: nobody else needs it. */
  #sleeps({ modelKey }: Asked): boolean {
    return modelKey !== undefined && this.#options.waker?.canWake(modelKey) === true;
  }

  /** Whether it was a pull, and has been answered by a copy from a server nearby. */
  async #copied(exchange: Exchange, asked: Asked, body: Body, targets: Targets, gone: ClientGone) {
    const { lanPull, onManaged } = this.#options;
    if (!lanPull) return false;
    const headers = (reason: string) => this.#answerHeaders(exchange, reason);
    const tools = { ...this.#options, headers };
    if (!(await lanPull.answers(exchange, asked, body, targets, tools, gone))) return false;
    if (exchange.deviceId !== undefined) onManaged(exchange, exchange.deviceId);
    return true;
  }

  #answerHeaders(exchange: Exchange, reason: string): string[] {
    return ownHeaders(exchange, reason, this.#options.told(exchange));
  }
}
