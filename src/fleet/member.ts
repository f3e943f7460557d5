import type { Cancel, Clock } from '../clock.ts';
import { addressOf } from '../config/host.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { type Ejection, NO_EJECTION, nextEjection, restMs } from './ejection.ts';
import type { Identity } from './identify.ts';
import { Paths } from './paths.ts';
import type { ServerFacts, ServerKind } from './pool.ts';
import { type Address, isUsersWord } from './registry.ts';
import { isReached, nextVerdict, type Verdict, type VerdictEvent } from './verdict-rules.ts';
import type { Attendance } from './waiting.ts';
import { Watch } from './watch.ts';

export interface MemberOptions {
  readonly identity: Identity;
  readonly address: Address;
  /** See `FleetOptions.home`. */
  readonly home?: string | undefined;
  readonly clock: Clock;
  /** Keeps connections. */
  readonly agent: PathAgent;
  /** Makes each connection anew. */
  readonly fresh: PathAgent;
  /** See `SelfDoubt.stalledSince`. */
  readonly stalledSince: (ms: number) => boolean;
  /** See `PathsOptions.isWaitedFor`. */
  readonly isWaitedFor?: (() => boolean) | undefined;
  readonly onVerdict: (member: Member) => void;
  /** Anything else that a decision could see has changed. */
  readonly onChange: () => void;
  /** Another device answers at one of its addresses. */
  readonly onStranger: (address: Address) => void;
}

const NO_ROWS: readonly never[] = [];

/** One server of the fleet: its addresses, its verdict, and the watch that keeps both true. */
export class Member implements Disposable {
  readonly deviceId: string;
  readonly watch: Watch;
  readonly #options: MemberOptions;
  readonly #paths: Paths;
  #verdict: Verdict;
  #facts: ServerFacts | undefined;
  #ejection: Ejection = NO_EJECTION;
  #resting = false;
  #over = false;
  #endRest: Cancel = () => {};
  readonly #keys = new WeakMap<object, ReadonlySet<string>>();

  constructor(options: MemberOptions) {
    const { identity, address, clock, agent, fresh, stalledSince, isWaitedFor, onStranger } = options;
    const { shownId } = identity;
    this.#options = options;
    this.deviceId = identity.deviceId;
    this.#verdict = { state: 'reliable', sinceMs: clock.wall() };
    this.#follow(address);
    this.#paths = new Paths({
      deviceId: identity.deviceId,
      shownId,
      first: address,
      clock,
      fresh,
      stalledSince,
      isWaitedFor,
      onMoved: () => {
        this.watch.moved();
        this.#changed();
      },
      onDead: (url, reason) => this.watch.lost(url, reason),
      onStranger,
    });
    this.watch = new Watch({
      url: () => this.#paths.url,
      home: options.home,
      shownId,
      clock,
      agent,
      fresh,
      stalledSince,
      onPassed: () => {
        // Whoever comes back after a while need not be who went, and other ways may be back, too.
        if (!isReached(this.#verdict)) this.#paths.measure();
        this.judge({ type: 'probe-passed' });
      },
      rescue: (failure, reason) => this.#paths.rescue(failure, reason),
      onGone: (reason) => this.judge({ type: 'probe-failed', reason }),
      onLists: () => this.#changed(),
      feed: identity.watch === true,
      onUnpaired: () => {
        const address = this.#paths.addresses().find(({ url }) => url === this.url);
        if (address) onStranger(address);
      },
      onAway: (reason) => this.judge({ type: 'probe-failed', reason }),
    });
  }

  get url(): string {
    return this.#paths.url;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  addAddress(address: Address): void {
    this.#follow(address);
    this.#paths.add(address);
    this.#changed();
  }

  #follow(address: Address): void {
    address.onTier = () => this.#changed();
  }

  /** The machine has slept: looks at once whether the server still answers, at all of its addresses. */
  woke(): void {
    this.#paths.woke();
    this.watch.woke();
  }

  /** Returns whether any address is left. */
  removeAddress(url: string): boolean {
    delete this.#paths.addresses().find((address) => address.url === url)?.onTier;
    this.#paths.remove(url);
    this.#changed();
    return this.#paths.addresses().length > 0;
  }

  /** Applies what happened to the verdict, once it is known that it was not an address that failed. */
  judge(event: VerdictEvent): void {
    const url = (event.type === 'attempt-failed' && event.url) || this.url;
    const isWay = event.type === 'attempt-failed' && event.cause !== 'status';
    if (!isWay || (url === this.url && this.#paths.addresses().length < 2)) {
      this.#apply(event);
      return;
    }
    void this.#paths.isToBlame(url).then((isAddress) => {
      if (this.#over) return;
      if (!isAddress) this.#apply(event);
      // The request that failed waits for word of a server.
      else this.watch.refresh();
    });
  }

  #apply(event: VerdictEvent): void {
    // With nothing else to look at it, it would stay what it is now.
    if (event.type === 'attempt-failed') this.watch.suspect();
    this.#rest(event);
    const next = nextVerdict(this.#verdict, event, this.#options.clock.wall());
    if (next === this.#verdict) return;
    const moved = next.state !== this.#verdict.state;
    this.#verdict = next;
    this.#changed();
    // That it may be tried again is no news of it; where all fail it comes with every request.
    if (moved && event.type !== 'turns-over') this.#options.onVerdict(this);
  }

  /** Leaves the server alone for longer the more often it has failed. */
  #rest(event: VerdictEvent): void {
    const { clock } = this.#options;
    const next = nextEjection(this.#ejection, event, clock.now());
    if (next === this.#ejection) return;
    this.#ejection = next;
    this.#endRest();
    const ms = restMs(next.failures);
    if (ms > 0) this.#endRest = clock.after(ms, () => this.#setResting(false));
    this.#setResting(ms > 0);
  }

  #setResting(resting: boolean): void {
    if (resting === this.#resting) return;
    this.#resting = resting;
    this.#changed();
  }

  attend(bytes: () => number, onGone: (reason: string) => void): Attendance {
    return this.watch.attend(bytes, onGone);
  }

  /** What is known now; the same object until something changes. */
  facts(): ServerFacts {
    this.#facts ??= this.#describe();
    return this.#facts;
  }

  #describe(): ServerFacts {
    const { tags, ps, psAt, version, latencyMs, told, load, machine, wakeCards } = this.watch.knowledge;
    const claims = this.#paths.addresses().flatMap((address) => [...address.claims]);
    const sources = [...new Set(claims.map(([source]) => source))];
    const named = claims.filter(([, claim]) => claim.name !== undefined);
    // What the user calls it comes before what it calls itself.
    const [, { name: given } = {}] = named.find(([source]) => isUsersWord(source)) ?? named[0] ?? [];
    // Only who knows tiers has a say in them: that a server is also heard on the LAN makes it no better.
    const tier = Math.min(...claims.map(([, claim]) => claim.tier ?? Number.POSITIVE_INFINITY));
    const { shownId } = this.#options.identity;
    const kind: ServerKind = sources.includes('local') ? 'local' : this.#options.identity.kind;
    return {
      deviceId: this.deviceId,
      name:
        given ??
        this.#options.identity.name ??
        (kind === 'local' ? 'this machine' : addressOf(this.url).shown),
      url: this.url,
      ...(shownId !== undefined && { shownId }),
      kind,
      sources,
      verdict: this.#verdict,
      resting: this.#resting,
      ...(Number.isFinite(tier) && { tier }),
      version,
      tags,
      ps,
      psAt,
      modelKeys: this.#keysOf(tags),
      loadedKeys: this.#keysOf(ps),
      load,
      ...(machine && { machine, clockAheadMs: this.watch.clockAheadMs }),
      ...(wakeCards && { wakeCards }),
      ...told,
      latencyMs,
    };
  }

  /** Made once for each list: load changes far more often. */
  #keysOf(rows: readonly { readonly key: string }[] = NO_ROWS): ReadonlySet<string> {
    const known = this.#keys.get(rows) ?? new Set(rows.map((row) => row.key));
    this.#keys.set(rows, known);
    return known;
  }

  /** Forgets the cached facts: an address gained or lost a claim, or a list was read. */
  #changed(): void {
    this.#facts = undefined;
    this.#options.onChange();
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#paths[Symbol.dispose]();
    this.#endRest();
    this.watch[Symbol.dispose]();
  }
}
