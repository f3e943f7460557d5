import { setMaxListeners } from 'node:events';
import { type Clock, sleep } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import type { Dialer } from '../security/dialer.ts';
import type { PathAgent } from '../security/path-agent.ts';
import type { ShownIds } from '../security/shown-id.ts';
import type { FleetEvent } from './events.ts';
import type { Identity } from './identify.ts';
import { introduce } from './introduce.ts';
import { AWAY_MIN_MS } from './probe-plan.ts';
import type { Address, Registry } from './registry.ts';

export interface IntroductionsOptions {
  readonly registry: Registry;
  readonly ownDeviceId: string | undefined;
  /** See `FleetOptions.home`. */
  readonly home?: string | undefined;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** Makes each connection anew. */
  readonly fresh: PathAgent;
  /** Which servers may be used. */
  readonly dialer: Dialer;
  /** See `MeetOptions.shownIds`. */
  readonly shownIds?: ShownIds | undefined;
  readonly emit: (event: FleetEvent) => void;
  /** Somebody whom we may use lives at an address that is still claimed. */
  readonly onKnown: (address: Address, identity: Identity) => void;
}

/** Why nobody at an address is used. */
export interface Refusal {
  readonly reason?: string;
  /** Somebody is there, who is not paired with this device. */
  readonly notPaired?: boolean;
}

/** An address that does not say who it is gets asked again after these, ms; the last repeats, but for strangers. */
const AGAIN_MS = [100, 250, 500, 1000, 2000, 4000];
/** A stranger stays one until somebody types something, and each question costs both sides a handshake, ms. */
const STRANGER_AGAIN_MS = 15_000;
const LIMIT_MS = 5000;

/** Asks claimed addresses who they are, until they say so or are claimed no more. */
export class Introductions implements Disposable {
  readonly #options: IntroductionsOptions;
  /** By the address and not by its URL: one that was taken back and named again is another. */
  readonly #asking = new Map<Address, Refusal>();
  readonly #over = new AbortController();
  /** Ends the pauses before addresses are asked again. */
  #pause = new AbortController();

  constructor(options: IntroductionsOptions) {
    this.#options = options;
    // Every address that has not said who it is waits for the end of these; that is no leak.
    setMaxListeners(0, this.#over.signal, this.#pause.signal);
  }

  /** Asks an address, if that is not under way. */
  ask(address: Address): void {
    if (!this.#asking.has(address)) void this.#ask(address);
  }

  /** What asking an address has come to so far. */
  refusalAt(address: Address): Refusal {
    return this.#asking.get(address) ?? {};
  }

  /** Addresses that wait to be asked again are asked now. */
  hurry(): void {
    const pause = this.#pause;
    this.#pause = new AbortController();
    setMaxListeners(0, this.#pause.signal);
    pause.abort();
  }

  async #ask(address: Address): Promise<void> {
    const { registry, ownDeviceId, home, clock, connectTimeoutMs, dialer, fresh, shownIds, emit, onKnown } =
      this.#options;
    const { signal } = this.#over;
    const { url } = address;
    let told = '';
    const refused = (reason: string) =>
      emit({ type: 'address-refused', url, reason, sources: [...address.claims.keys()] });
    this.#asking.set(address, {});
    for (let round = 0; !signal.aborted && registry.addresses().includes(address); round += 1) {
      const pause = this.#pause.signal;
      try {
        const limits = { connectTimeoutMs, timeoutMs: LIMIT_MS };
        const identity = await introduce(url, { dialer, agent: fresh, shownIds, clock, signal, ...limits });
        this.#asking.delete(address);
        if (signal.aborted) return;
        const isTold = registry.wasOurs(url);
        if (registry.identified(address, identity)) onKnown(address, identity);
        else if (identity.deviceId === ownDeviceId && !isTold) refused('it is this ollana itself');
        return;
      } catch (error) {
        const reason = reasonOf(error);
        if (reason !== told && !signal.aborted) refused(reason);
        told = reason;
        const notPaired = error instanceof OllanaError && error.code === 'OLLANA_NOT_PAIRED';
        this.#asking.set(address, { reason, notPaired });
      }
      const last = this.refusalAt(address).notPaired ? STRANGER_AGAIN_MS : AGAIN_MS.at(-1);
      const again = AGAIN_MS[round] ?? last ?? STRANGER_AGAIN_MS;
      await sleep(clock, url === home ? Math.min(again, AWAY_MIN_MS) : again, pause);
      if (pause.aborted) round = -1;
    }
    this.#asking.delete(address);
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#pause.abort();
    this.#asking.clear();
  }
}
