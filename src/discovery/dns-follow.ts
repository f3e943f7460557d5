import type { Cancel, Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type DnsServer, lookUpServers } from './dns-lookup.ts';
import type { OnDnsNotice } from './dns-notice.ts';
import type { Ask } from './dns-resolve.ts';
import { askAgainMs, backOffMs, leaseMsOf, SOONEST_MS } from './dns-rhythm.ts';

export interface DnsFollowOptions {
  readonly name: string;
  /** Port of servers that are known by their address only. */
  readonly port: number;
  /** How a round of questions is asked; called anew for each. */
  readonly asking: (signal: AbortSignal) => Ask;
  readonly clock: Clock;
  /** For jitter, [0, 1). */
  readonly random: () => number;
  /** The servers that are there now, each round. */
  readonly onServer: (server: DnsServer, leaseMs: number) => void;
  /** A server that is no longer there. */
  readonly onGone: (server: DnsServer) => void;
  readonly onNotice: OnDnsNotice;
}

/** Follows one name: asks when what it knows runs out, and after a failure later and later. */
export class DnsFollow implements Disposable {
  readonly #options: DnsFollowOptions;
  readonly #over = new AbortController();
  #servers: ReadonlyMap<string, DnsServer> = new Map();
  #failures = 0;
  #told: string | undefined;
  #busy = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #cancel: Cancel = () => {};

  constructor(options: DnsFollowOptions) {
    this.#options = options;
  }

  /** In which tier this name has a server; undefined where it does not lead there, as far as known. */
  tierOf(url: string): number | undefined {
    return this.#servers.get(url)?.tier;
  }

  /** Asks now, unless it is asking or did so within the last second. */
  ask(): void {
    const now = this.#options.clock.now();
    if (!this.#busy && now - this.#askedAt >= SOONEST_MS) void this.#round();
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    this.#cancel();
  }

  async #round(): Promise<void> {
    const { name, port, asking, clock, random } = this.#options;
    const { signal } = this.#over;
    if (signal.aborted) return;
    this.#busy = true;
    this.#askedAt = clock.now();
    this.#cancel();
    let againMs: number;
    try {
      const { servers, unsure, ttlMs } = await lookUpServers(name, port, asking(signal));
      if (signal.aborted) return;
      this.#failures = unsure.size > 0 ? this.#failures + 1 : 0;
      againMs = askAgainMs(ttlMs, random);
      if (unsure.size > 0) againMs = Math.min(againMs, backOffMs(this.#failures));
      this.#take(servers, unsure, leaseMsOf(againMs));
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      againMs = backOffMs(this.#failures);
      this.#tell('dns-failed', reasonOf(error));
    } finally {
      this.#busy = false;
    }
    this.#cancel = clock.after(againMs, () => void this.#round());
  }

  #take(servers: ReadonlyMap<string, DnsServer>, unsure: ReadonlySet<string>, leaseMs: number): void {
    const { onServer, onGone } = this.#options;
    const before = [...this.#servers.values()].filter(({ url }) => !servers.has(url));
    const kept = before.filter(({ host }) => unsure.has(host));
    this.#servers = new Map([...servers, ...kept.map((server) => [server.url, server] as const)]);
    for (const server of before) if (!unsure.has(server.host)) onGone(server);
    for (const server of servers.values()) onServer(server, leaseMs);
    const [host] = unsure;
    if (this.#servers.size > 0) this.#told = undefined;
    else if (host === undefined) this.#tell('dns-empty', 'no SRV record leads to a server, and no address');
    else this.#tell('dns-failed', `the address of ${host} cannot be found out`);
  }

  #tell(type: 'dns-failed' | 'dns-empty', reason: string): void {
    if (this.#told === type) return;
    this.#told = type;
    this.#options.onNotice({ type, name: this.#options.name, reason });
  }
}
