import { type Cancel, type Clock, sleep } from '../clock.ts';
import type { Sighting } from '../discovery/sighting.ts';
import { Dialer } from '../security/dialer.ts';
import { PathAgent } from '../security/path-agent.ts';
import type { ShownIds } from '../security/shown-id.ts';
import type { FleetEvent } from './events.ts';
import type { Identity } from './identify.ts';
import { Introductions } from './introductions.ts';
import { Member } from './member.ts';
import type { ServerFacts } from './pool.ts';
import { type Address, endsAtOnce, Registry } from './registry.ts';
import { failedAtOnce, SelfDoubt } from './self-doubt.ts';
import type { FailureCause, VerdictEvent } from './verdict-rules.ts';
import type { Attendance } from './waiting.ts';

export interface FleetOptions {
  /** A server with this id is not followed; undefined where none would be ourselves. */
  readonly ownDeviceId: string | undefined;
  /** Where the Ollama is that this machine serves to others, who wait to hear of it from us; absent: it serves none. */
  readonly home?: string | undefined;
  readonly clock: Clock;
  readonly agent: PathAgent;
  readonly connectTimeoutMs: number;
  /** See `MeetOptions.shownIds`. */
  readonly shownIds?: ShownIds | undefined;
  /** How servers are dialled, and which may be used; absent: all of them. */
  readonly dialer?: Dialer | undefined;
  /** Whether requests of ours wait in the queue of a server, which a change of address would cost their places. */
  readonly isWaitedFor?: (deviceId: string) => boolean;
  readonly emit: (event: FleetEvent) => void;
}

/** A claimed address at which nobody is used, and why. */
export interface UnansweredAddress {
  readonly url: string;
  readonly name?: string;
  readonly sources: readonly string[];
  readonly reason: string;
  /** Somebody is there, who is not paired with this device. */
  readonly notPaired?: boolean;
}

/** Leases are looked through this often, ms. */
const EXPIRE_EVERY_MS = 500;
/** A connection that has not come about within this, ms, was tried for as long. */
const DIAL_MS = 1000;

/** The servers this process knows: who is there (registry), who answers and what they hold (members). */
export class Fleet implements Disposable {
  readonly #options: FleetOptions;
  readonly #registry: Registry;
  readonly #members = new Map<string, Member>();
  readonly #introductions: Introductions;
  readonly #dialer: Dialer;
  readonly #fresh: PathAgent;
  readonly #listeners = new Set<() => void>();
  #over = false;
  readonly #doubt: SelfDoubt;
  readonly #stopExpiry: Cancel;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#registry = new Registry(options);
    this.#dialer = options.dialer ?? new Dialer();
    this.#fresh = new PathAgent({ keepAlive: false }, this.#dialer);
    this.#introductions = new Introductions({
      ...options,
      registry: this.#registry,
      fresh: this.#fresh,
      dialer: this.#dialer,
      onKnown: (address, identity) => this.#welcome(address, identity),
    });
    this.#doubt = new SelfDoubt({ clock: options.clock, onWake: () => this.#woke() });
    this.#dialer.onStranger((isThere) => this.#askAgain(isThere));
    this.#stopExpiry = options.clock.every(EXPIRE_EVERY_MS, () => this.#expire());
  }

  /** The `onSighting` of every discovery source. */
  sight = (sighting: Sighting): void => {
    if (this.#over) return;
    const address = this.#registry.sight(sighting);
    if (!address) return;
    if (sighting.deviceId && address.identity && sighting.deviceId !== address.identity.deviceId) {
      this.#forget(address);
    }
    const member = address.identity && this.#members.get(address.identity.deviceId);
    if (sighting.leaseMs <= 0) {
      // Done when this returns: whoever takes a server back does not want it used a moment later.
      if (endsAtOnce(sighting.source)) this.#expire();
      member?.watch.refresh();
    } else if (!address.identity) this.#introductions.ask(address);
    else if (member && member.verdict.state !== 'reliable') member.watch.refresh();
  };

  /** Facts of every known server, most recently joined last. */
  servers(): readonly ServerFacts[] {
    return [...this.#members.values()].map((member) => member.facts());
  }

  /** Facts of one server; undefined when it is not known. */
  server(deviceId: string): ServerFacts | undefined {
    return this.#members.get(deviceId)?.facts();
  }

  /**
   * Addresses that are claimed and that nobody has answered from yet, with the reason. That this machine has no
   * Ollama of its own is nothing to tell.
   */
  unanswered(): readonly UnansweredAddress[] {
    return this.#registry
      .addresses()
      .filter((address) => !address.identity && !address.claims.has('local'))
      .map((address) => {
        const name = [...address.claims.values()].find((claim) => claim.name)?.name;
        const { reason = 'not asked yet', notPaired = false } = this.#introductions.refusalAt(address);
        const sources = [...address.claims.keys()];
        return { url: address.url, ...(name && { name }), sources, reason, ...(notPaired && { notPaired }) };
      });
  }

  /** Every address that is claimed, by whom, and which device lives there once that is known. */
  addresses(): readonly { url: string; deviceId?: string; sources: readonly string[] }[] {
    return this.#registry.addresses().map(({ url, identity, claims }) => ({
      url,
      ...(identity && { deviceId: identity.deviceId }),
      sources: [...claims.keys()],
    }));
  }

  /** Tells the verdict of a server what happened there, unless it rather happened here: a probe finds that out. */
  judge(deviceId: string, event: VerdictEvent): void {
    const member = this.#members.get(deviceId);
    if (event.type === 'attempt-failed' && this.#isOurs(event.cause)) member?.watch.refresh();
    else member?.judge(event);
  }

  /** Whether a failure of this kind is rather our own: nobody could have reached us, or been heard by us. */
  #isOurs(cause: FailureCause): boolean {
    if (cause === 'status') return false;
    if (this.#doubt.justWoke()) return true;
    return cause === 'dial' && this.#doubt.stalledSince(this.#options.clock.now() - DIAL_MS);
  }

  /** When all have failed at once nobody is to blame, and each is asked again without delay. */
  #doubtLink(): void {
    const members = [...this.#members.values()].filter((member) => member.facts().kind !== 'local');
    const verdicts = members.map(({ verdict }) => verdict);
    if (!failedAtOnce(verdicts, this.#options.clock.wall())) return;
    for (const member of members) {
      member.judge({ type: 'all-at-once' });
      member.watch.refresh();
    }
  }

  /** See `Watch.attend`; a server that has left is reported gone at once. */
  attend(deviceId: string, bytes: () => number, onGone: (reason: string) => void): Attendance {
    const member = this.#members.get(deviceId);
    if (member) return member.attend(bytes, onGone);
    onGone('the server has left');
    return { leave: () => {} };
  }

  /**
   * Reads the lists anew of every server that answers, or of the one at `url`; resolves when they are there, or
   * after `limitMs`.
   */
  async relist(limitMs: number, url?: string): Promise<void> {
    const members = [...this.#members.values()].filter(
      (member) => member.verdict.state === 'reliable' && (url === undefined || member.url === url),
    );
    const over = new AbortController();
    const all = Promise.all(members.map((member) => member.watch.relist()));
    await Promise.race([all, sleep(this.#options.clock, limitMs, over.signal)]);
    over.abort();
  }

  /** The machine has slept: whatever was known of the servers is old. */
  #woke(): void {
    for (const member of this.#members.values()) member.woke();
  }

  /** Reads lists and probes again at once: of one server, or of all. */
  refresh(deviceId?: string): void {
    for (const member of this.#members.values()) {
      if (deviceId === undefined || member.deviceId === deviceId) member.watch.refresh();
    }
  }

  /** Calls `listener` after every change that a decision could see, until the returned function is called. */
  onChange(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Whom we may use has changed: those that may not be any more are forgotten at once, and every address is asked
   * again that is not in use.
   */
  review(): void {
    for (const address of this.#registry.addresses()) {
      const { url, identity } = address;
      if (!identity || this.#dialer.accepts({ url, proven: false, ...identity })) continue;
      this.#forget(address);
      this.#introductions.ask(address);
    }
    this.#introductions.hurry();
  }

  /** Another device than before answers at an address. */
  #askAgain(isThere: (url: string) => boolean): void {
    for (const address of this.#registry.addresses().filter(({ url }) => isThere(url))) {
      this.#forget(address);
      this.#introductions.ask(address);
    }
  }

  #welcome(address: Address, identity: Identity): void {
    const known = this.#members.get(identity.deviceId);
    if (known) {
      known.addAddress(address);
      known.watch.refresh();
      return;
    }
    const { clock, agent, emit, isWaitedFor } = this.#options;
    const member = new Member({
      identity,
      address,
      home: this.#options.home,
      clock,
      agent,
      fresh: this.#fresh,
      stalledSince: (ms) => this.#doubt.stalledSince(ms),
      isWaitedFor: () => isWaitedFor?.(identity.deviceId) ?? false,
      onVerdict: ({ verdict }) => {
        const { deviceId, name, url } = member.facts();
        emit({ type: 'verdict-changed', deviceId, name, url, verdict });
        if (verdict.state === 'unreliable') this.#doubtLink();
      },
      onChange: () => this.#changed(),
      onStranger: (stranger) => {
        this.#forget(stranger);
        this.#introductions.ask(stranger);
      },
    });
    this.#members.set(identity.deviceId, member);
    member.watch.start();
    const { deviceId, name, url, kind, sources } = member.facts();
    emit({ type: 'server-joined', deviceId, name, url, kind, source: sources[0] ?? 'unknown' });
    this.#changed();
  }

  #expire(): void {
    const gone = this.#registry.expire((address, sinceMs) => {
      const member = address.identity && this.#members.get(address.identity.deviceId);
      return !member || member.watch.goneAt >= sinceMs || member.url !== address.url;
    });
    for (const address of gone) this.#forget(address);
  }

  /** Takes an address from whoever had it: it is gone, or another device has moved in. */
  #forget(address: Address): void {
    const { url, identity } = address;
    delete address.identity;
    this.#dialer.unpin(url);
    const member = identity && this.#members.get(identity.deviceId);
    if (!member || member.removeAddress(url)) return;
    const { deviceId, name } = member.facts();
    this.#members.delete(deviceId);
    member[Symbol.dispose]();
    this.#options.emit({ type: 'server-left', deviceId, name, url });
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#introductions[Symbol.dispose]();
    this.#fresh.destroy();
    this.#stopExpiry();
    this.#doubt[Symbol.dispose]();
    for (const member of this.#members.values()) member[Symbol.dispose]();
    this.#members.clear();
    this.#listeners.clear();
  }
}
