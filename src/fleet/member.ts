import type { Agent } from 'node:http';
import type { Cancel, Clock } from '../clock.ts';
import { type Ejection, NO_EJECTION, nextEjection, restMs } from './ejection.ts';
import type { Identity } from './identify.ts';
import type { ServerFacts, ServerKind } from './pool.ts';
import type { Address } from './registry.ts';
import { nextVerdict, type Verdict, type VerdictEvent } from './verdict-rules.ts';
import type { Attendance } from './waiting.ts';
import { Watch } from './watch.ts';

export interface MemberOptions {
  readonly identity: Identity;
  readonly address: Address;
  readonly clock: Clock;
  readonly agent: Agent;
  /** See `SelfDoubt.stalledSince`. */
  readonly stalledSince: (ms: number) => boolean;
  readonly onVerdict: (member: Member) => void;
  /** Anything else that a decision could see has changed. */
  readonly onChange: () => void;
}

const NO_ROWS: readonly never[] = [];

/** One server of the fleet: its addresses, its verdict, and the watch that keeps both true. */
export class Member implements Disposable {
  readonly deviceId: string;
  readonly watch: Watch;
  readonly #options: MemberOptions;
  readonly #addresses = new Map<string, Address>();
  #url: string;
  #verdict: Verdict;
  #facts: ServerFacts | undefined;
  #ejection: Ejection = NO_EJECTION;
  #resting = false;
  #endRest: Cancel = () => {};
  readonly #keys = new WeakMap<object, ReadonlySet<string>>();

  constructor(options: MemberOptions) {
    const { identity, address, clock, agent, stalledSince } = options;
    this.#options = options;
    this.deviceId = identity.deviceId;
    this.#addresses.set(address.url, address);
    this.#url = address.url;
    this.#verdict = { state: 'reliable', sinceMs: clock.wall() };
    this.watch = new Watch({
      url: () => this.#url,
      clock,
      agent,
      stalledSince,
      onPassed: () => this.judge({ type: 'probe-passed' }),
      onGone: (reason) => {
        this.judge({ type: 'probe-failed', reason });
        this.#tryAnotherAddress();
      },
      onLists: () => this.#changed(),
      feed: identity.watch === true,
      onAway: (reason) => this.judge({ type: 'probe-failed', reason }),
    });
  }

  get url(): string {
    return this.#url;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  addAddress(address: Address): void {
    this.#addresses.set(address.url, address);
    this.#changed();
  }

  /** Returns whether any address is left. */
  removeAddress(url: string): boolean {
    this.#addresses.delete(url);
    if (url === this.#url) this.#tryAnotherAddress();
    this.#changed();
    return this.#addresses.size > 0;
  }

  /** Applies what happened to the verdict. */
  judge(event: VerdictEvent): void {
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
    const { tags, ps, psAt, version, latencyMs, told, load } = this.watch.knowledge;
    const claims = [...this.#addresses.values()].flatMap((address) => [...address.claims]);
    const sources = [...new Set(claims.map(([source]) => source))];
    const given = claims.map(([, claim]) => claim.name).find((name) => name !== undefined);
    const kind: ServerKind = sources.includes('local') ? 'local' : this.#options.identity.kind;
    return {
      deviceId: this.deviceId,
      name:
        given ?? this.#options.identity.name ?? (kind === 'local' ? 'this machine' : new URL(this.#url).host),
      url: this.#url,
      kind,
      sources,
      verdict: this.#verdict,
      resting: this.#resting,
      version,
      tags,
      ps,
      psAt,
      modelKeys: this.#keysOf(tags),
      loadedKeys: this.#keysOf(ps),
      load,
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

  #tryAnotherAddress(): void {
    const urls = [...this.#addresses.keys()];
    const next = urls[(urls.indexOf(this.#url) + 1) % urls.length];
    this.#facts = undefined;
    if (next === undefined || next === this.#url) return;
    this.#url = next;
    this.watch.moved();
  }

  [Symbol.dispose](): void {
    this.#endRest();
    this.watch[Symbol.dispose]();
  }
}
