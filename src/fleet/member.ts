import type { Agent } from 'node:http';
import type { Clock } from '../clock.ts';
import type { Identity } from './identify.ts';
import type { ServerFacts, ServerKind } from './pool.ts';
import type { Address } from './registry.ts';
import { nextVerdict, type Verdict, type VerdictEvent } from './verdict-rules.ts';
import { type Attendance, Watch } from './watch.ts';

export interface MemberOptions {
  readonly identity: Identity;
  readonly address: Address;
  readonly clock: Clock;
  readonly agent: Agent;
  readonly onVerdict: (member: Member) => void;
  /** Anything else that a decision could see has changed. */
  readonly onChange: () => void;
}

/** One server of the fleet: its addresses, its verdict, and the watch that keeps both true. */
export class Member implements Disposable {
  readonly deviceId: string;
  readonly watch: Watch;
  readonly #options: MemberOptions;
  readonly #addresses = new Map<string, Address>();
  #url: string;
  #verdict: Verdict;
  #facts: ServerFacts | undefined;

  constructor(options: MemberOptions) {
    const { identity, address, clock, agent } = options;
    this.#options = options;
    this.deviceId = identity.deviceId;
    this.#addresses.set(address.url, address);
    this.#url = address.url;
    this.#verdict = { state: 'reliable', sinceMs: clock.wall() };
    this.watch = new Watch({
      url: () => this.#url,
      clock,
      agent,
      onPassed: () => this.judge({ type: 'probe-passed' }),
      onGone: (reason) => {
        this.judge({ type: 'probe-failed', reason });
        this.#tryAnotherAddress();
      },
      onLists: () => this.#changed(),
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
    const next = nextVerdict(this.#verdict, event, this.#options.clock.wall());
    if (next === this.#verdict) return;
    const moved = next.state !== this.#verdict.state;
    this.#verdict = next;
    this.#changed();
    if (moved) this.#options.onVerdict(this);
  }

  attend(onGone: (reason: string) => void): Attendance {
    return this.watch.attend(onGone);
  }

  /** What is known now; the same object until something changes. */
  facts(): ServerFacts {
    this.#facts ??= this.#describe();
    return this.#facts;
  }

  #describe(): ServerFacts {
    const { tags, ps, version, latencyMs, told } = this.watch.knowledge;
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
      version,
      tags,
      ps,
      modelKeys: new Set(tags?.map((row) => row.key)),
      loadedKeys: new Set(ps?.map((row) => row.key)),
      ...told,
      latencyMs,
    };
  }

  /** Forgets the cached facts: an address gained or lost a claim, or a list was read. */
  #changed(): void {
    this.#facts = undefined;
    this.#options.onChange();
  }

  #tryAnotherAddress(): void {
    const urls = [...this.#addresses.keys()];
    const next = urls[(urls.indexOf(this.#url) + 1) % urls.length];
    if (next !== undefined) this.#url = next;
    this.#facts = undefined;
  }

  [Symbol.dispose](): void {
    this.watch[Symbol.dispose]();
  }
}
