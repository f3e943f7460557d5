import type { Clock } from '../clock.ts';
import type { Entry, Pick } from '../routing/pick.ts';
import { inListOrder } from '../routing/policy.ts';
import type { Router } from '../routing/router.ts';
import type { Targets } from '../routing/targets.ts';
import type { ClientGone } from './client-gone.ts';
import type { Exchange } from './exchange.ts';
import { hold } from './hold.ts';
import { type Waker, type Woken, wokenInVain, wokenReason } from './waking.ts';
import type { Asked, Work } from './want.ts';

export interface ChooseOptions {
  readonly router: Router;
  readonly clock: Clock;
  /** How long a request waits for a server when there is none, ms: one that runs a model, any other. */
  readonly holdMs: { readonly inference: number; readonly other: number };
  /** Whose turn a request takes in a queue, and how it gets its seat. */
  readonly entry: (exchange: Exchange) => Entry & { readonly device: string };
  /** Asks the network for servers at once: a request has found none. */
  readonly seek: () => void;
  /** Wakes servers that sleep; absent: nobody may. */
  readonly waker?: Waker | undefined;
}

/** Reading lists takes a round trip; a person who waits for an error waits this long more, ms. */
export const RELIST_MS = 500;

/** Chooses the servers for one request, one after the other. */
export class Chooser {
  readonly #options: ChooseOptions;
  readonly #exchange: Exchange;
  readonly #asked: Asked;
  readonly #targets: Targets;
  readonly #gone: ClientGone;
  #heldMs = 0;
  #busy = 0;
  #woken: Woken | undefined;

  constructor(options: ChooseOptions, exchange: Exchange, asked: Asked, targets: Targets, gone: ClientGone) {
    this.#options = options;
    this.#exchange = exchange;
    this.#asked = asked;
    this.#targets = targets;
    this.#gone = gone;
  }

  /**
   * The best server left. When nobody is known to hold the model the lists are read anew, as it may have been
   * pulled a moment ago; if still nobody does, the best of all servers is asked, whose Ollama says so itself.
   * Resolves with undefined when none is left; rejects with the codes of `Router.acquire`.
   */
  async best(tried: ReadonlySet<string>): Promise<Pick | undefined> {
    const pick = await this.#best(tried);
    if (!pick || !this.#woken) return pick;
    return { ...pick, reason: `${pick.reason}; ${wokenReason(this.#woken, this.#options.clock.now())}` };
  }

  /** Whom this request has waited for in vain since it was woken, in words; undefined: nobody, or it has come. */
  get wokenInVain(): string | undefined {
    const { router, clock } = this.#options;
    const woken = this.#woken;
    const isThere = router
      .pool()
      .some(({ deviceId, verdict }) => deviceId === woken?.deviceId && verdict.state === 'reliable');
    return woken && !isThere ? wokenInVain(woken, clock.now()) : undefined;
  }

  async #best(tried: ReadonlySet<string>): Promise<Pick | undefined> {
    const { router } = this.#options;
    const { modelKey } = this.#asked;
    if (this.#targets.type === 'one-of') {
      const { servers, why, inLine } = this.#targets;
      const ids = servers.map(({ deviceId }) => deviceId);
      const seated = inLine ? await this.#seatedAt(ids, tried) : undefined;
      // Without the model none has a queue for it: the server says so itself.
      return seated ? { ...seated, reason: `${why} ${seated.reason}` } : router.pickFrom(ids, tried, why);
    }
    if (modelKey === undefined) return router.pick(modelKey, tried);
    if (this.#exchange.route.class === 'holder') {
      const listed = router.pickFrom(inListOrder(router.pool(), modelKey), tried, 'as listed');
      if (listed) return listed;
    }
    const pick = async () => {
      const work = router.hasChoice(modelKey) ? this.#asked.work() : undefined;
      return work ? this.#seated(modelKey, work, tried) : router.pick(modelKey, tried);
    };
    const found = await pick();
    if (found || router.isHeld(modelKey) || this.#gone.aborted) return found;
    // Whoever waits for one to wake has looked already, and hears of what changes elsewhere.
    if (this.#woken && this.#canWake(modelKey)) return undefined;
    if (tried.size === 0) await router.relist(RELIST_MS);
    const late = await pick();
    if (late || router.isHeld(modelKey) || this.#canWake(modelKey)) return late;
    return router.pick(undefined, tried);
  }

  /** Others that could begin with the request now, beside `first`: at most `count`, best first. */
  rivals(first: Pick, tried: ReadonlySet<string>, count: number): readonly Pick[] {
    if (count < 1) return [];
    const { modelKey } = this.#asked;
    const work = this.#asked.work();
    if (this.#targets.type !== 'any' || modelKey === undefined || !work) return [];
    const { router, entry } = this.#options;
    const { device } = entry(this.#exchange);
    const out = new Set([...tried, first.server.deviceId]);
    return router.acquireFree({ ...work, modelKey, device }, out, count);
  }

  /**
   * A slot that looked free was not: what the server tells and what it does differ, so tickets are asked for from
   * now on. Returns how often that has been.
   */
  foundBusy(): number {
    this.#busy += 1;
    return this.#busy;
  }

  /**
   * Waits for a server that could take the request, and longer for one that is woken for it; resolves with undefined
   * when that has been too long.
   */
  async hold(tried: Set<string>): Promise<Pick | undefined> {
    this.#wake();
    const woken = this.#woken;
    const limitMs = this.#limitMs();
    if (limitMs <= 0) return undefined;
    this.#options.seek();
    const pick = await this.#holdFor(limitMs, tried);
    if (pick || this.#gone.aborted || this.#woken === woken) return pick;
    // One was woken only meanwhile, and has its time, too.
    return this.#holdFor(this.#limitMs(), tried);
  }

  /** How much longer the request may wait for a server, ms. */
  #limitMs(): number {
    const { clock, holdMs } = this.#options;
    const limitMs = this.#exchange.route.class === 'inference' ? holdMs.inference : holdMs.other;
    return Math.max(limitMs - this.#heldMs, (this.#woken?.untilMs ?? 0) - clock.now());
  }

  #canWake(modelKey: string | undefined): modelKey is string {
    const { waker } = this.#options;
    if (this.#exchange.route.class !== 'inference' || this.#targets.type !== 'any') return false;
    if (this.#asked.unloads) return false;
    return modelKey !== undefined && waker?.canWake(modelKey) === true;
  }

  /** Wakes a server that had the model, once for each request. */
  #wake(): void {
    const { modelKey } = this.#asked;
    if (!this.#woken && this.#canWake(modelKey)) this.#woken = this.#options.waker?.wake(modelKey);
  }

  async #holdFor(limitMs: number, tried: Set<string>): Promise<Pick | undefined> {
    const { router, clock } = this.#options;
    const since = clock.now();
    const queuedMs = this.#exchange.queueMs;
    const choose = (used: ReadonlySet<string>) => {
      // It may have turned out only now that the one which had the model is gone.
      this.#wake();
      return this.best(used);
    };
    const pick = await hold({ router, clock, choose, tried, limitMs, signal: this.#gone.signal });
    const ms = clock.now() - since;
    // A wait for a seat in between was no wait for a server.
    const held = ms - (this.#exchange.queueMs - queuedMs);
    this.#heldMs += held;
    this.#exchange.heldMs += held;
    this.#exchange.queueMs = queuedMs + ms;
    return pick;
  }

  /** Waits for a seat at one of these: to name a server is no way past those who wait there. */
  async #seatedAt(ids: readonly string[], tried: ReadonlySet<string>): Promise<Pick | undefined> {
    const { modelKey } = this.#asked;
    if (this.#exchange.route.class !== 'inference' || modelKey === undefined) return undefined;
    const work = this.#options.router.hasChoice(modelKey) ? this.#asked.work() : undefined;
    return work && this.#seated(modelKey, work, tried, new Set(ids));
  }

  /** Waits for a seat where the request will end first. */
  async #seated(
    modelKey: string,
    work: Work,
    tried: ReadonlySet<string>,
    among?: ReadonlySet<string>,
  ): Promise<Pick | undefined> {
    const { router, clock, entry } = this.#options;
    const since = clock.now();
    const { device, ...how } = entry(this.#exchange);
    try {
      const entry = { mayTake: this.#busy === 0, ...how };
      return await router.acquire(
        { ...work, modelKey, device, ...(among && { among }) },
        tried,
        this.#gone.signal,
        entry,
      );
    } finally {
      this.#exchange.queueMs += clock.now() - since;
    }
  }
}
