import { networkInterfaces } from 'node:os';
import { type Cancel, type Clock, sleep } from '../clock.ts';
import { hostOf, zoneOf } from '../config/host.ts';
import type { CommonConfig } from '../config.ts';
import { Neighbourhood } from '../discovery/mdns-near.ts';
import type { DiscoverySource, Sighting } from '../discovery/sighting.ts';
import { type Address, Registry } from '../fleet/registry.ts';
import type { Log } from '../observe/log.ts';
import { narrateDiscovery } from '../observe/narrate.ts';
import type { Dialer } from '../security/dialer.ts';
import type { ShownIds } from '../security/shown-id.ts';
import { type HeardServer, lookAt, type Seen } from './look-at.ts';
import { sourcesOf } from './sources.ts';

/** What a listener is told as it happens; `at` in milliseconds since 1970. */
export type AroundEvent =
  /** A source claims a server at an address; said once a source and address for as long as it goes on. */
  | { readonly type: 'heard'; readonly at: number; readonly source: string; readonly server: HeardServer }
  /** What answers there is found out, or is another than before. */
  | { readonly type: 'usable' | 'rejected'; readonly at: number; readonly server: HeardServer }
  /** No source claims the address any more. */
  | { readonly type: 'lost'; readonly at: number; readonly server: HeardServer }
  /** Something is in the way of discovery itself. */
  | { readonly type: 'trouble'; readonly at: number; readonly text: string };

export interface ListenAroundOptions {
  readonly config: CommonConfig;
  readonly clock: Clock;
  /** What servers of the Rust ollana are shown of the daemon that this is asked for; absent: nothing. */
  readonly shownIds?: ShownIds | undefined;
  /** How whoever is heard is dialled; absent: all of them are trusted. */
  readonly dialer?: Dialer | undefined;
  /** Must not throw. */
  readonly onEvent?: (event: AroundEvent) => void;
}

/** Kinds of trouble are few, but lines of a server file are many. */
const MAX_TROUBLES = 20;
/** How soon an address is looked at again, ms: one that answered, and one that did not or was refused. */
const LOOK_AGAIN_MS = { usable: 5000, rejected: 1000 };
const EXPIRE_EVERY_MS = 500;
const SETTLE_LOOK_MS = 20;

interface Entry {
  readonly address: Address;
  readonly heardAfterMs: number;
  readonly over: AbortController;
  /** Sources that have been told of. */
  readonly told: Set<string>;
  seen: Seen;
}

/**
 * Listens with the sources of a configuration as a daemon would, without being one: opens no port, writes no file.
 * Asks every address that is heard who is there, again and again, and forgets it when nobody claims it any more.
 */
export class ListenAround implements AsyncDisposable {
  readonly #options: ListenAroundOptions;
  readonly #sources: readonly DiscoverySource[];
  readonly #registry: Registry;
  readonly #entries = new Map<Address, Entry>();
  readonly #troubles = new Set<string>();
  readonly #startedAt: number;
  #stopExpiry: Cancel = () => {};
  #disposed = false;

  /** Throws OLLANA_BAD_OPTION for a configured server that is not understood. */
  constructor(options: ListenAroundOptions) {
    const { config, clock } = options;
    this.#options = options;
    this.#startedAt = clock.now();
    this.#registry = new Registry({ clock, ownDeviceId: undefined });
    this.#sources = sourcesOf({
      config,
      clock,
      onSighting: (sighting) => this.#sight(sighting),
      onNotice: narrateDiscovery(this.#troubleLog()),
    });
  }

  /** Starts the sources. Rejects with OLLANA_UNREADABLE_FILE for a server file that cannot be read. */
  async start(): Promise<void> {
    this.#stopExpiry = this.#options.clock.every(EXPIRE_EVERY_MS, () => this.#expire());
    for (const source of this.#sources) await source.start();
  }

  /** Everything that is claimed now, in the order in which it was heard. */
  servers(): readonly HeardServer[] {
    const near = neighbourhood();
    return [...this.#entries.values()].map((entry) => serverOf(entry, near));
  }

  /** How many addresses are claimed now. */
  get size(): number {
    return this.#entries.size;
  }

  /** What was in the way so far, one line each. */
  troubles(): readonly string[] {
    return [...this.#troubles];
  }

  /** Resolves when every address heard so far has been looked at, or after `limitMs`. */
  async settled(limitMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.now() + limitMs;
    const isAsking = () => [...this.#entries.values()].some(({ seen }) => seen.state === 'asking');
    while (isAsking() && clock.now() < deadline) await sleep(clock, SETTLE_LOOK_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#stopExpiry();
    for (const { over } of this.#entries.values()) over.abort();
    for (const source of this.#sources) await source[Symbol.asyncDispose]();
  }

  #sight(sighting: Sighting): void {
    if (this.#disposed) return;
    const { clock } = this.#options;
    const address = this.#registry.sight(sighting);
    if (sighting.leaseMs <= 0) {
      this.#expire();
      return;
    }
    if (!address) {
      this.#trouble('too many addresses are claimed: the others are left out');
      return;
    }
    const { source } = sighting;
    const known = this.#entries.get(address);
    const entry: Entry = known ?? {
      address,
      heardAfterMs: clock.now() - this.#startedAt,
      over: new AbortController(),
      told: new Set(),
      seen: { state: 'asking' },
    };
    this.#entries.set(address, entry);
    const isNew = !entry.told.has(source);
    entry.told.add(source);
    if (isNew) this.#tell({ type: 'heard', at: clock.wall(), source, server: serverOf(entry) });
    if (!known) void this.#follow(entry);
  }

  /** Never rejects; ends when the address is lost. */
  async #follow(entry: Entry): Promise<void> {
    const { clock, config, dialer, shownIds } = this.#options;
    const { signal } = entry.over;
    while (!signal.aborted) {
      const seen = await lookAt(entry.address.url, {
        clock,
        connectTimeoutMs: config.connectTimeoutMs,
        dialer,
        signal,
        shownIds,
      });
      if (signal.aborted) return;
      const before = entry.seen;
      entry.seen = seen;
      const isSame =
        before.state === seen.state &&
        before.reason === seen.reason &&
        before.identity?.deviceId === seen.identity?.deviceId;
      if (!isSame) this.#tell({ type: seen.state, at: clock.wall(), server: serverOf(entry) });
      await sleep(clock, LOOK_AGAIN_MS[seen.state], signal);
    }
  }

  /** Here a claim ends when it ends: nobody has requests that would go on. */
  #expire(): void {
    for (const address of this.#registry.expire(() => true)) {
      const entry = this.#entries.get(address);
      if (!entry) continue;
      this.#entries.delete(address);
      entry.over.abort();
      this.#tell({ type: 'lost', at: this.#options.clock.wall(), server: serverOf(entry) });
    }
    for (const { told, address } of this.#entries.values())
      for (const source of told) if (!address.claims.has(source)) told.delete(source);
  }

  #tell(event: AroundEvent): void {
    if (!this.#disposed) this.#options.onEvent?.(event);
  }

  #trouble(text: string): void {
    if (this.#troubles.has(text) || this.#troubles.size >= MAX_TROUBLES) return;
    this.#troubles.add(text);
    this.#tell({ type: 'trouble', at: this.#options.clock.wall(), text });
  }

  /** Discovery tells a daemon's log what is in its way; its words do here, too. */
  #troubleLog(): Log {
    const take = (
      message: string,
      { type: _type, links: _links, ...fields }: Record<string, unknown> = {},
    ) => {
      const facts = Object.values(fields).map(String).join(', ');
      this.#trouble(facts === '' ? message : `${message} (${facts})`);
    };
    const ignore = () => {};
    return { debug: ignore, info: ignore, warn: take, error: take, writes: () => true, flush: ignore };
  }
}

/** Read anew: interfaces come and go. All of them, as a named server is reached by any. */
function neighbourhood(): Neighbourhood {
  return new Neighbourhood(networkInterfaces(), []);
}

function serverOf({ address, heardAfterMs, seen }: Entry, near = neighbourhood()): HeardServer {
  const { url, claims } = address;
  const host = hostOf(url);
  const { state, identity, latencyMs, code, reason } = seen;
  const called = [...claims.values()].find(({ name }) => name !== undefined)?.name;
  return {
    url,
    name: identity?.name ?? called ?? null,
    deviceId: identity?.deviceId ?? null,
    kind: identity?.kind ?? null,
    sources: [...claims.keys()],
    interface: zoneOf(host) ?? near.interfaceTo(host) ?? null,
    here: host === 'localhost' || near.isHere(host),
    heardAfterMs: Math.round(heardAfterMs),
    latencyMs: latencyMs === undefined ? null : Math.round(latencyMs * 10) / 10,
    state,
    code: code ?? null,
    reason: reason ?? null,
  };
}
