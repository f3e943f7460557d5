import { setMaxListeners } from 'node:events';
import { networkInterfaces } from 'node:os';
import { type Cancel, type Clock, sleep } from '../clock.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { bestAddress, inOrder, type KnownAddress, placeOf, usableOf } from './addresses.ts';
import { Path } from './path.ts';
import type { ProbeFailure } from './probe-plan.ts';
import { type Address, isUsersWord } from './registry.ts';

export interface PathsOptions {
  /** Whose addresses they are. */
  readonly deviceId: string;
  /** See `ServerFacts.shownId`. */
  readonly shownId?: string | undefined;
  readonly first: Address;
  readonly clock: Clock;
  /** Makes each connection anew. */
  readonly fresh: PathAgent;
  /** See `SelfDoubt.stalledSince`. */
  readonly stalledSince: (ms: number) => boolean;
  /** Requests of ours wait in the server's queue: they are known there by the address they came by. */
  readonly isWaitedFor?: (() => boolean) | undefined;
  /** Another address is in use. */
  readonly onMoved: () => void;
  /** Nobody hears us any more at an address that is not in use now: what is under way there is lost. */
  readonly onDead: (url: string, reason: string) => void;
  /** Another device answers there. */
  readonly onStranger: (address: Address) => void;
}

/** A machine has two interfaces with two families each, and names beside; more are not looked at. */
const MAX_PATHS = 8;
/** All are measured this often, ms: what makes one faster is a cable that is plugged in. */
const MEASURE_EVERY_MS = 60_000;
/** A server is given up, ms, after its address in use is, if no other answers meanwhile. */
const RESCUE_MS = 2000;
/**
 * A move for speed alone is put off while requests wait, whose places it would cost, ms: as long as requests wait at
 * most, as a rule. Where somebody always waits it comes then.
 */
const STAY_MS = 600_000;

/** The addresses of one server, and which of them is in use. A single one is looked at by nobody but the watch. */
export class Paths implements Disposable {
  readonly #options: PathsOptions;
  /** All that are claimed; the registry bounds them. */
  readonly #addresses = new Map<string, Address>();
  /** Those that are looked at, `MAX_PATHS` at most. */
  readonly #paths = new Map<string, Path>();
  readonly #over = new AbortController();
  #url: string;
  #stopTimer: Cancel = () => {};
  #measuring = false;
  /** Something changed while they were measured. */
  #again = false;
  #rescuing: Promise<boolean> | undefined;
  /** Since when a move has been put off, on the clock. */
  #stayingSince: number | undefined;

  constructor(options: PathsOptions) {
    this.#options = options;
    // Each look listens to it, and all are looked at together.
    setMaxListeners(0, this.#over.signal);
    this.#url = options.first.url;
    this.add(options.first);
  }

  /** The address in use. */
  get url(): string {
    return this.#url;
  }

  /** All addresses, those too that are not looked at. */
  addresses(): readonly Address[] {
    return [...this.#addresses.values()];
  }

  /** Takes an address in and looks at it. Of too many the worst is looked at no more. */
  add(address: Address): void {
    this.#addresses.set(address.url, address);
    if (this.#paths.has(address.url)) return;
    if (this.#paths.size >= MAX_PATHS) this.#paths.delete(this.#worst() ?? '');
    this.#follow(address.url);
  }

  /** Forgets an address. The one in use gives way to the best that is left. */
  remove(url: string): void {
    this.#addresses.delete(url);
    if (!this.#paths.delete(url)) return;
    const spare = [...this.#addresses.keys()].find((other) => !this.#paths.has(other));
    if (spare !== undefined) this.#follow(spare);
    if (url === this.#url) this.#moveTo(bestAddress(undefined, this.#known()));
  }

  /** The machine has slept: looks at all addresses now, so that nobody has to wait for one after the other. */
  woke(): void {
    if (this.#paths.size > 1) for (const path of this.#paths.values()) void path.look();
  }

  #follow(url: string): void {
    const { deviceId, shownId, clock, fresh, stalledSince, onStranger } = this.#options;
    const place = placeOf(url, networkInterfaces());
    const { signal } = this.#over;
    const path: Path = new Path({
      url,
      shownId,
      place,
      deviceId,
      clock,
      fresh,
      stalledSince,
      signal,
      onFailed: () => this.#tellIfDead(url),
      onStranger: () => {
        const address = this.#addresses.get(url);
        if (address && this.#paths.get(url) === path) onStranger(address);
      },
    });
    this.#paths.set(url, path);
    this.measure();
  }

  /** The last in order that is not in use; what the user has named only if there is nothing else. */
  #worst(): string | undefined {
    const others = inOrder(this.#known())
      .map(({ url }) => url)
      .filter((url) => url !== this.#url);
    const isNamed = (url: string) => [...(this.#addresses.get(url)?.claims.keys() ?? [])].some(isUsersWord);
    return others.findLast((url) => !isNamed(url)) ?? others.at(-1);
  }

  #known(): readonly KnownAddress[] {
    return [...this.#paths.values()].map((path) => path.known());
  }

  /** Measures all addresses at once and takes to the best; from then on now and again. */
  measure(): void {
    if (this.#paths.size < 2 || this.#over.signal.aborted) return;
    if (this.#measuring) {
      this.#again = true;
      return;
    }
    this.#stopTimer();
    this.#measuring = true;
    this.#again = false;
    void Promise.all([...this.#paths.values()].map((path) => path.measure())).then(() => {
      this.#measuring = false;
      if (this.#over.signal.aborted) return;
      const best = bestAddress(this.#url, this.#known());
      if (!this.#mustStay(best)) this.#moveTo(best);
      if (this.#again) this.measure();
      else this.#stopTimer = this.#options.clock.after(MEASURE_EVERY_MS, () => this.measure());
    });
  }

  /** Whether another address would only be faster, and is not worth the places of those that wait. */
  #mustStay(best: string | undefined): boolean {
    const now = this.#paths.get(this.#url)?.known();
    const isGood = now !== undefined && !now.failed && now.rttMs !== undefined;
    if (best === this.#url || !isGood || !this.#options.isWaitedFor?.()) {
      this.#stayingSince = undefined;
      return false;
    }
    const time = this.#options.clock.now();
    this.#stayingSince ??= time;
    return time - this.#stayingSince < STAY_MS;
  }

  /**
   * The address in use has failed a probe. Resolves with whether the server answers at another, which is then in use;
   * never rejects.
   */
  rescue(failure: ProbeFailure, reason: string): Promise<boolean> {
    if (this.#paths.size < 2) return Promise.resolve(false);
    if (!this.#rescuing) this.#paths.get(this.#url)?.failed(failure, reason);
    return this.#leave();
  }

  /** Takes to the first other address that answers, if one does. */
  #leave(): Promise<boolean> {
    this.#rescuing ??= this.#rescue(this.#url).finally(() => {
      this.#rescuing = undefined;
    });
    return this.#rescuing;
  }

  /**
   * A request broke off or found nobody at `url`. Resolves with whether that was the address's doing: the server
   * answers at another, which is in use now. Never rejects.
   */
  async isToBlame(url: string): Promise<boolean> {
    const path = this.#paths.get(url);
    if (url !== this.#url) return true;
    if (!path || this.#paths.size < 2 || (await path.look())) return url !== this.#url;
    return url !== this.#url || this.#leave();
  }

  async #rescue(failed: string): Promise<boolean> {
    // Whether what is under way there is lost, too.
    void this.#paths.get(failed)?.doubt();
    const usable = new Set(usableOf(this.#known()).map(({ url }) => url));
    const others = [...this.#paths].filter(
      ([url, path]) => url !== failed && usable.has(url) && !path.justFailed,
    );
    const over = new AbortController();
    const first = Promise.any(
      others.map(async ([url, path]) => {
        if (await path.look()) return url;
        throw new Error(`nobody answers at ${url}`);
      }),
    ).catch(() => undefined);
    const limit = sleep(this.#options.clock, RESCUE_MS, over.signal).then(() => undefined);
    const found = await Promise.race([first, limit]);
    over.abort();
    if (this.#over.signal.aborted) return false;
    if (this.#url === failed) this.#moveTo(found);
    return this.#url !== failed;
  }

  #moveTo(url: string | undefined): void {
    if (url === undefined || url === this.#url || !this.#paths.has(url)) return;
    const before = this.#url;
    this.#url = url;
    this.#options.onMoved();
    this.#tellIfDead(before);
  }

  #tellIfDead(url: string): void {
    const reason = this.#paths.get(url)?.deadFor;
    if (reason !== undefined && url !== this.#url) this.#options.onDead(url, reason);
  }

  [Symbol.dispose](): void {
    this.#stopTimer();
    this.#over.abort();
  }
}
