import type { Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { type PullProgress, pullModel } from '../ollama/pull.ts';
import type { Router } from '../routing/router.ts';
import { targetsFor } from '../routing/targets.ts';
import { RELIST_MS } from './choose.ts';
import type { ClientGone } from './client-gone.ts';
import type { ProxyEvent } from './events.ts';
import type { Exchange } from './exchange.ts';
import { headerText } from './headers.ts';
import type { Transport } from './transport.ts';
import type { Asked } from './want.ts';

export interface AutoPullOptions {
  /** Pulls a model that no server has; absent: no. */
  readonly autoPull?: boolean | undefined;
  readonly router: Router;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Limit for the TCP (and TLS) handshake, ms. */
  readonly connectTimeoutMs: number;
  readonly emit: (event: ProxyEvent) => void;
}

/** A pull under way and who waits for it. */
interface Pull {
  readonly server: PoolServer;
  /** Undefined when it has succeeded, else why not; never rejects. */
  readonly end: Promise<string | undefined>;
  readonly over: AbortController;
  waiting: number;
}

/** Progress is told each time so many more percent of a layer are there. */
const STEP_PERCENT = 10;

/** Pulls models that requests want and no server has: each once, however many requests wait for it. */
export class AutoPull {
  readonly #options: AutoPullOptions;
  readonly #pulls = new Map<string, Pull>();

  constructor(options: AutoPullOptions) {
    this.#options = options;
  }

  /**
   * Pulls the model of this request if the user lets us and no server has it, where most memory is free of those
   * that let themselves be managed. Resolves when that has ended, well or not, which the answer's headers then tell;
   * without the model the server says itself what is wrong. The pull ends when the last who waits for it aborts.
   * Never rejects.
   */
  async pullIfMissing(exchange: Exchange, { model, modelKey, work }: Asked, gone: ClientGone): Promise<void> {
    const { autoPull, router } = this.#options;
    if (!autoPull || !work() || gone.aborted || model === undefined || modelKey === undefined) return;
    if (!this.#pulls.has(modelKey)) {
      if (!this.#isMissing(modelKey)) return;
      await router.relist(RELIST_MS);
      if (!this.#isMissing(modelKey) || gone.aborted) return;
    }
    const pull = this.#pulls.get(modelKey) ?? this.#start(exchange.id, model, modelKey);
    if (!pull) return;
    const reason = await this.#wait(pull, gone.signal);
    if (gone.aborted) return;
    const { name, deviceId } = pull.server;
    exchange.changes.set(
      'X-Ollana-Pulled',
      headerText(reason === undefined ? name : `failed at ${name}: ${reason}`),
    );
    if (reason !== undefined) return;
    router.refresh(deviceId);
    await router.relist(RELIST_MS);
  }

  /** Whether there are servers, and all are known not to have it. */
  #isMissing(modelKey: string): boolean {
    const pool = this.#options.router.pool();
    return (
      pool.length > 0 && pool.every(({ tags, modelKeys }) => tags !== undefined && !modelKeys.has(modelKey))
    );
  }

  async #wait(pull: Pull, signal: AbortSignal): Promise<string | undefined> {
    pull.waiting += 1;
    const left = new Promise<undefined>((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const reason = await Promise.race([pull.end, left]);
    pull.waiting -= 1;
    if (pull.waiting === 0) pull.over.abort();
    return reason;
  }

  #start(id: string, model: string, modelKey: string): Pull | undefined {
    const nothing = { unloads: false, source: undefined, named: undefined, home: undefined };
    const facts = { routeClass: 'pinned', path: '/api/pull', model, ...nothing } as const;
    const targets = targetsFor(facts, this.#options.router.pool());
    const [server] = targets.type === 'one-of' ? targets.servers : [];
    if (!server) return undefined;
    const over = new AbortController();
    const pull = { server, over, waiting: 0, end: this.#run(id, model, server, over) };
    this.#pulls.set(modelKey, pull);
    // After an abort the next one who wants it begins anew.
    const forget = () => {
      if (this.#pulls.get(modelKey) === pull) this.#pulls.delete(modelKey);
    };
    over.signal.addEventListener('abort', forget, { once: true });
    void pull.end.then(forget);
    return pull;
  }

  async #run(
    id: string,
    model: string,
    { deviceId, url, name }: PoolServer,
    over: AbortController,
  ): Promise<string | undefined> {
    const { router, transport, clock, connectTimeoutMs, emit } = this.#options;
    const tell = (status: string, percent?: number) =>
      emit({ type: 'model-pulled', id, model, server: name, status, percent });
    let bytes = 0;
    let gone: string | undefined;
    const onGone = (reason: string) => {
      gone = reason;
      over.abort();
    };
    const attendance = router.attend(deviceId, () => bytes, onGone);
    try {
      await pullModel({
        url,
        agent: transport.fresh,
        model,
        clock,
        connectTimeoutMs,
        onProgress: steps(tell),
        onBytes: (count) => {
          bytes += count;
        },
        signal: over.signal,
      });
      return undefined;
    } catch (error) {
      const reason = gone ?? reasonOf(error);
      tell(`failed: ${reason}`);
      return reason;
    } finally {
      attendance.leave();
    }
  }
}

/** Passes on what is new of a progress that is told many times a second. */
function steps(tell: (status: string, percent?: number) => void): (progress: PullProgress) => void {
  let before = '';
  return ({ status, completed, total }) => {
    const part = total !== undefined && total > 0 ? (100 * (completed ?? 0)) / total : undefined;
    const percent = part === undefined ? undefined : STEP_PERCENT * Math.floor(part / STEP_PERCENT);
    const now = `${status} ${percent}`;
    if (now === before) return;
    before = now;
    tell(status, percent);
  };
}
