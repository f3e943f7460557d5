import { OllanaError } from '../errors.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { BodyDecoder } from '../ollama/decode-body.ts';
import type { Pick } from '../routing/router.ts';
import type { Targets } from '../routing/targets.ts';
import { type AttemptEnd, type AttemptOptions, attempt } from './attempt.ts';
import type { Body, BodyReader } from './body.ts';
import { EmbedBatches } from './embed.ts';
import type { ProxyEvent } from './events.ts';
import type { Exchange } from './exchange.ts';
import { forwardHeaders, headerText } from './headers.ts';
import { hold } from './hold.ts';
import { isRepeatable } from './retry.ts';
import { type StoredAnswer, sendStored } from './stored-answer.ts';
import { discardRest } from './upload.ts';
import { type Asked, askedFor } from './want.ts';

export interface ForwardOptions extends AttemptOptions {
  readonly bodies: BodyReader;
  readonly emit: (event: ProxyEvent) => void;
  /** This device's entry in `Via`. */
  readonly via: string;
  /** How long a request waits for a server when there is none, ms: one that runs a model, any other. */
  readonly holdMs: { readonly inference: number; readonly other: number };
  /** Throws when this client may not have what it asks for. */
  readonly admit: (exchange: Exchange, asked: Asked) => void;
  /** Where a request may go. */
  readonly target: (exchange: Exchange, asked: Asked) => Targets;
  /** Sends a request to several servers and answers it. */
  readonly toEach: (
    exchange: Exchange,
    servers: readonly PoolServer[],
    body: Buffer,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Told when a server has answered a request that changes what it stores, or has been sent a blob. */
  readonly onManaged: (exchange: Exchange, deviceId: string) => void;
  /** Headers that tell about this machine, flat. */
  readonly told: (exchange: Exchange) => readonly string[];
  /** Asks the network for servers at once: a request has found none. */
  readonly seek: () => void;
  /** Says why nobody could take a request for this model, and what to do. */
  readonly explain: (asked: Asked) => string;
}

/** Reading lists takes a round trip; a person who waits for an error waits this long more, ms. */
const RELIST_MS = 500;

/** Sends requests to servers, one after the other if need be, until one has answered. */
export class Forwarder {
  readonly #options: ForwardOptions;
  readonly #decoder: BodyDecoder;
  readonly #embeds: EmbedBatches;

  constructor(options: ForwardOptions) {
    this.#options = options;
    this.#decoder = new BodyDecoder(options);
    this.#embeds = new EmbedBatches(options);
  }

  /**
   * Has a request answered by a server. Rejects with an `OllanaError` when none could and nothing has been
   * sent to the client; returns quietly when the client has left.
   */
  async forward(exchange: Exchange): Promise<void> {
    const gone = new AbortController();
    // 'close' also follows an answer that went out whole; making the reason of an abort costs 25 us.
    const onClose = () => {
      if (!exchange.response.writableFinished) gone.abort();
    };
    exchange.response.once('close', onClose);
    let body: Body | undefined;
    try {
      body = await this.#options.bodies.read(exchange.request, exchange.route.path === '/api/blobs/');
      await this.#tryServers(exchange, body, gone.signal);
    } catch (error) {
      if (!gone.signal.aborted) throw error;
    } finally {
      body?.release();
      discardRest(exchange.request, this.#options.clock);
      exchange.response.removeListener('close', onClose);
    }
  }

  async #tryServers(exchange: Exchange, body: Body, signal: AbortSignal): Promise<void> {
    const { router } = this.#options;
    const asked = await askedFor({
      route: exchange.route,
      target: exchange.target,
      headers: exchange.request.headers,
      body: body.type === 'whole' ? body.bytes : body.beginning,
      partly: body.type === 'streaming',
      decoder: this.#decoder,
    });
    exchange.model = asked.model;
    this.#options.admit(exchange, asked);
    // What must reach every holder must reach the one that got its copy a moment ago, too.
    if (exchange.route.class === 'broadcast' || asked.unloads) await router.relist(RELIST_MS);
    const targets = this.#options.target(exchange, asked);
    if (targets.type === 'nobody') {
      throw new OllanaError('OLLANA_NO_SERVER', targets.message, { status: targets.status });
    }
    if (targets.type === 'each' && body.type === 'whole') {
      return this.#options.toEach(exchange, targets.servers, body.bytes, signal);
    }
    const batch = targets.type === 'any' ? this.#embeds.find(exchange, asked, body) : undefined;
    const splitHeaders = () => this.#answerHeaders(exchange, 'split');
    if (batch && (await this.#embeds.answer(exchange, batch, splitHeaders, signal))) return;
    const choose = (used: ReadonlySet<string>) => this.#choose(asked, targets, used);
    const tried = new Set<string>();
    const doubted: string[] = [];
    let said: StoredAnswer | undefined;
    let fresh = !isRepeatable({
      routeClass: exchange.route.class,
      method: exchange.method,
      replayable: body.type === 'whole',
    });
    while (!signal.aborted) {
      const pick =
        (await choose(tried)) ?? (said ? undefined : await this.#hold(exchange, choose, tried, signal));
      if (signal.aborted) return pick?.release({ type: 'nobody' });
      if (!pick) break;
      const since = this.#options.clock.now();
      const end = await this.#attempt(exchange, pick, asked, body, fresh);
      if (end.type === 'again') {
        fresh = true;
        continue;
      }
      tried.add(pick.server.deviceId);
      if (end.type === 'answered') {
        if (batch && end.outcome.type === 'completed')
          this.#embeds.learn(batch, pick, this.#options.clock.now() - since);
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
          `${pick.server.name} failed, and this request is not repeated elsewhere: ${end.reason}`,
          { status: 502 },
        );
      }
      if (end.answer?.status === 500) doubted.push(pick.server.deviceId);
      const fromOllana = end.answer?.rawHeaders.some((name) => name.toLowerCase() === 'x-ollana-error');
      if (end.answer && !fromOllana) said = end.answer;
      if (body.type === 'streaming' && end.outcome.type === 'failed' && end.outcome.cause !== 'dial') break;
    }
    if (signal.aborted) return;
    if (said)
      return sendStored(said, exchange.response, this.#answerHeaders(exchange, 'every server refused'));
    throw new OllanaError('OLLANA_NO_SERVER', this.#options.explain(asked), { status: 503, retryAfterS: 5 });
  }

  /**
   * The best server left. When nobody is known to hold the model the lists are read anew, as it may have been
   * pulled a moment ago; if still nobody does, the best of all servers is asked, whose Ollama says so itself.
   */
  async #choose(asked: Asked, targets: Targets, tried: ReadonlySet<string>): Promise<Pick | undefined> {
    const { router } = this.#options;
    if (targets.type === 'one-of') {
      const ids = targets.servers.map(({ deviceId }) => deviceId);
      return router.pickFrom(ids, tried, targets.why);
    }
    const { modelKey } = asked;
    const pick = router.pick(modelKey, tried);
    if (pick || modelKey === undefined || router.isHeld(modelKey)) return pick;
    if (tried.size === 0) await router.relist(RELIST_MS);
    return (
      router.pick(modelKey, tried) ?? (router.isHeld(modelKey) ? undefined : router.pick(undefined, tried))
    );
  }

  async #hold(
    exchange: Exchange,
    choose: (tried: ReadonlySet<string>) => Promise<Pick | undefined>,
    tried: Set<string>,
    signal: AbortSignal,
  ): Promise<Pick | undefined> {
    const { router, clock, holdMs } = this.#options;
    const limitMs = exchange.route.class === 'inference' ? holdMs.inference : holdMs.other;
    const left = limitMs - exchange.queueMs;
    if (left <= 0) return undefined;
    const since = clock.now();
    this.#options.seek();
    const pick = await hold({ router, clock, choose, tried, limitMs: left, signal });
    exchange.queueMs += clock.now() - since;
    return pick;
  }

  async #attempt(
    exchange: Exchange,
    pick: Pick,
    asked: Asked,
    body: Body,
    fresh: boolean,
  ): Promise<AttemptEnd> {
    const { server } = pick;
    exchange.attempts += 1;
    exchange.server = server.name;
    exchange.reason = pick.reason;
    const whole = body.type === 'whole' ? body.bytes : undefined;
    const hasBody = exchange.request.headers['content-length'] !== undefined || (whole?.length ?? 0) > 0;
    const end = await attempt(this.#options, {
      exchange,
      pick,
      headers: forwardHeaders(exchange.request.rawHeaders, {
        host: new URL(server.url).host,
        via: this.#options.via,
        contentLength: whole && hasBody ? whole.length : undefined,
      }),
      body: body.type === 'whole' ? body.bytes : body.open,
      fresh,
      replayable: body.type === 'whole',
      listed: asked.modelKey !== undefined && server.modelKeys.has(asked.modelKey),
      answerHeaders: this.#answerHeaders(exchange, pick.reason),
    });
    pick.release(end.outcome);
    if (exchange.route.class === 'pinned' || exchange.route.class === 'broadcast' || asked.unloads) {
      this.#options.onManaged(exchange, server.deviceId);
    }
    const { id, attempts, reason } = exchange;
    this.#options.emit({
      type: 'attempt-ended',
      id,
      attempt: attempts,
      model: exchange.model,
      server: server.name,
      url: server.url,
      reason: reason ?? '',
      outcome: end.outcome,
    });
    return end;
  }

  #answerHeaders(exchange: Exchange, reason: string): string[] {
    return [
      ...exchange.extraHeaders,
      ...this.#options.told(exchange),
      'X-Ollana-Server',
      headerText(exchange.server ?? 'none'),
      'X-Ollana-Attempts',
      String(exchange.attempts),
      'X-Ollana-Queue-Ms',
      String(Math.round(exchange.queueMs)),
      'X-Ollana-Reason',
      headerText(reason),
      'X-Ollana-Request-Id',
      exchange.id,
    ];
  }
}
