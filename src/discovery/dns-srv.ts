import { Resolver } from 'node:dns';
import type { Clock } from '../clock.ts';
import { type DnsPlace, parseDiscover, parseResolver, type ResolverAddress } from '../config/discover.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { DnsFollow } from './dns-follow.ts';
import type { DnsServer } from './dns-lookup.ts';
import type { OnDnsNotice } from './dns-notice.ts';
import { asking } from './dns-resolve.ts';
import { LinkWatch } from './link-watch.ts';
import type { DiscoverySource, OnSighting } from './sighting.ts';

export interface DnsSrvOptions {
  /** Names to follow, as `parseDiscover` reads them. */
  readonly names: readonly string[];
  /** Port of servers that are known by their address only; 11435. */
  readonly httpPort: number;
  readonly clock: Clock;
  readonly onSighting: OnSighting;
  readonly onNotice?: OnDnsNotice | undefined;
  /** For jitter, [0, 1); Math.random unless given. */
  readonly random?: (() => number) | undefined;
  /** The system's resolvers as Node writes them; read from the system unless given. */
  readonly systemResolvers?: (() => readonly string[]) | undefined;
}

/**
 * Finds servers by DNS: SRV records (RFC 2782), or the addresses of a name that has none, such as that of a headless
 * Kubernetes service. Each name is asked again when its records run out; a record that is gone is a goodbye. While
 * no resolver answers, what was known counts until its lease ends. Servers are asked by http.
 */
export class DnsSrv implements DiscoverySource {
  readonly #names: readonly DnsFollow[];
  readonly #watch: LinkWatch;
  readonly #onSighting: OnSighting;
  #started = false;
  #disposed = false;

  /** Throws OLLANA_BAD_OPTION for the first of `names` that is not understood. */
  constructor(options: DnsSrvOptions) {
    const { clock, httpPort: port, onNotice = () => {}, random = Math.random } = options;
    const system = options.systemResolvers ?? systemResolvers;
    this.#onSighting = options.onSighting;
    this.#names = options.names.map((text) => {
      const { name, resolver } = parsePlace(text);
      const resolvers = () => (resolver ? [resolver] : readResolvers(system()));
      return new DnsFollow({
        name,
        port,
        asking: (signal) => asking(resolvers(), { clock, signal }),
        clock,
        random,
        onServer: (server, leaseMs) => this.#report(server, leaseMs),
        onGone: (server) => this.#gone(server),
        onNotice,
      });
    });
    // Another network has other resolvers, and what is known is old after a sleep.
    this.#watch = new LinkWatch({ interfaces: [], clock, onEvent: () => this.refresh() });
  }

  /** Asks for all names, and does not wait for the answers. */
  async start(): Promise<void> {
    if (this.#started || this.#disposed) return;
    this.#started = true;
    this.#watch.start();
    this.refresh();
  }

  /** Asks for all names at once, but for each at most once a second. */
  refresh(): void {
    if (this.#started) for (const name of this.#names) name.ask();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#watch[Symbol.dispose]();
    for (const name of this.#names) name[Symbol.dispose]();
  }

  /** Several names may lead to one server: it is gone when none does, and in the first tier that one has it in. */
  #report({ url }: DnsServer, leaseMs: number): void {
    this.#onSighting({ source: 'dns', url, leaseMs, tier: Math.min(...this.#tiersOf(url)) });
  }

  #gone({ url }: DnsServer): void {
    if (this.#tiersOf(url).length === 0) this.#onSighting({ source: 'dns', url, leaseMs: 0 });
  }

  #tiersOf(url: string): readonly number[] {
    return this.#names.flatMap((name) => name.tierOf(url) ?? []);
  }
}

function parsePlace(text: string): DnsPlace {
  try {
    return parseDiscover(text);
  } catch (error) {
    const message = `bad discover "${text.slice(0, 200)}": ${reasonOf(error)}`;
    throw new OllanaError('OLLANA_BAD_OPTION', message.replace(/[\p{C}\s]+/gu, ' '), { cause: error });
  }
}

/** A new resolver reads the system's settings anew; Node's own keeps those of the network it was started in. */
function systemResolvers(): readonly string[] {
  return new Resolver().getServers();
}

function readResolvers(texts: readonly string[]): readonly ResolverAddress[] {
  return texts.flatMap((text) => parseResolver(text) ?? []);
}
