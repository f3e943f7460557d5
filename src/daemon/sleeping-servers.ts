import type { Cancel, Clock } from '../clock.ts';
import { hostOf } from '../config/host.ts';
import type { ClientConfig } from '../config.ts';
import { onLink } from '../discovery/interfaces.ts';
import type { WakeCard } from '../discovery/wake.ts';
import { callAwake, linksNow } from '../discovery/wake-call.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import { WakeBook } from '../fleet/wake-book.ts';
import { WakeFile } from '../fleet/wake-file.ts';
import { type KnownServer, WAKING_MS, whomToWake } from '../fleet/wake-plan.ts';
import type { Log } from '../observe/log.ts';
import { shownModel } from '../ollama/names.ts';
import type { Waker, Woken } from '../proxy/waking.ts';
import type { Core } from './core-options.ts';

export interface SleepingServersOptions {
  readonly config: Pick<ClientConfig, 'dataDir' | 'interfaces'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The fleet changes with every request; what is remembered of it hardly does, ms. */
const NOTE_AFTER_MS = 1000;
/** What has not changed is looked through again, ms: it is still there, perhaps at another address. */
const NOTE_AGAIN_MS = 3_600_000;

/** Remembers the servers that can be woken, over restarts, and wakes one whose model is wanted. */
export class SleepingServers implements Waker, AsyncDisposable {
  readonly #options: SleepingServersOptions;
  readonly #book = new WakeBook();
  readonly #file: WakeFile;
  /** By device id; on the clock. */
  readonly #calledAt = new Map<string, number>();
  readonly #calls = new Map<string, Cancel>();
  /** What was noted of a server, so that the same is not looked through each time. */
  #noted = new WeakMap<ReadonlySet<string>, readonly WakeCard[]>();
  #core: Pick<Core, 'fleet' | 'emit'> | undefined;
  #stops: readonly Cancel[] = [];
  #timer: Cancel | undefined;

  constructor(options: SleepingServersOptions) {
    const { config, clock, log } = options;
    this.#options = options;
    this.#file = new WakeFile({
      dir: config.dataDir,
      book: this.#book,
      clock,
      onTrouble: (what, file, reason) =>
        what === 'read'
          ? log.warn(
              'the servers that can be woken cannot be read: they are noted anew when they are there',
              {
                file,
                reason,
              },
            )
          : log.warn('the servers that can be woken cannot be written: the next start does not know them', {
              file,
              reason,
            }),
    });
  }

  /** Reads what was remembered, and notes who is there from now on; `core` is asked before it calls anybody. */
  async start(core: Pick<Core, 'fleet' | 'emit'>): Promise<void> {
    await this.#file.read();
    this.#core = core;
    const { clock } = this.#options;
    const soon = () => {
      this.#timer ??= clock.after(NOTE_AFTER_MS, () => {
        this.#timer = undefined;
        this.#note();
      });
    };
    const again = () => {
      this.#noted = new WeakMap();
      this.#note();
    };
    this.#stops = [core.fleet.onChange(soon), clock.every(NOTE_AGAIN_MS, again)];
  }

  canWake(modelKey: string): boolean {
    return this.#whom(modelKey) !== undefined;
  }

  wake(modelKey: string): Woken | undefined {
    const { clock } = this.#options;
    const server = this.#whom(modelKey);
    if (!server) return undefined;
    const { deviceId, name } = server;
    const before = this.#calledAt.get(deviceId);
    const now = clock.now();
    const atMs = before !== undefined && now - before < WAKING_MS ? before : now;
    if (atMs !== before) this.#call(server, modelKey, now);
    return { deviceId, name, atMs, untilMs: atMs + WAKING_MS };
  }

  #whom(modelKey: string): KnownServer | undefined {
    if (!this.#core) return undefined;
    const { config, clock } = this.#options;
    const known = this.#book.all();
    if (known.length === 0) return undefined;
    return whomToWake({
      modelKey,
      known,
      servers: this.#core.fleet.servers(),
      isNear: (address) => onLink(address, linksNow(config.interfaces)),
      calledAt: this.#calledAt,
      now: clock.now(),
    });
  }

  #call({ deviceId, name, cards }: KnownServer, modelKey: string, now: number): void {
    const { config, clock } = this.#options;
    const emit = this.#core?.emit ?? (() => {});
    this.#calledAt.set(deviceId, now);
    this.#book.called(deviceId);
    this.#file.write();
    emit({
      type: 'server-woken',
      deviceId,
      name,
      model: shownModel(modelKey),
      macs: cards.map(({ mac }) => mac),
    });
    this.#calls.get(deviceId)?.();
    this.#calls.set(deviceId, callAwake({ cards, interfaces: config.interfaces, clock, onNotice: emit }));
  }

  /** Notes the servers that are there and tell how they are woken. */
  #note(): void {
    const { config, clock } = this.#options;
    const { fleet } = this.#core ?? {};
    if (!fleet) return;
    const links = linksNow(config.interfaces);
    const addresses = fleet.addresses();
    let news = false;
    for (const server of fleet.servers()) {
      const { deviceId, name, tags, modelKeys, verdict, wakeCards = [] } = server;
      if (verdict.state !== 'reliable' || !tags || wakeCards.length === 0) continue;
      if (this.#noted.get(modelKeys) === wakeCards && !this.#calledAt.has(deviceId)) continue;
      this.#noted.set(modelKeys, wakeCards);
      const hosts = hostsOf(server, addresses);
      const cards = cardsMet(wakeCards, hosts, (address) => onLink(address, links));
      if (cards.length === 0) continue;
      this.#calls.get(deviceId)?.();
      this.#calls.delete(deviceId);
      this.#calledAt.delete(deviceId);
      const seenAt = Math.round(clock.wall());
      news = this.#book.saw({ deviceId, name, cards, models: [...modelKeys], seenAt }) || news;
    }
    if (news) this.#file.write();
  }

  /** Ends what is under way; resolves when all is written. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#timer?.();
    for (const cancel of this.#calls.values()) cancel();
    if (this.#core) this.#note();
    this.#core = undefined;
    await this.#file[Symbol.asyncDispose]();
  }
}

/**
 * Of the cards that a server has, those by which it is met from here; where that cannot be told (it is met by a name, or
 * by IPv6) those on a network of this machine. Bridges of containers have cards, too, that nobody can be woken by. Pure.
 */
export function cardsMet(
  cards: readonly WakeCard[],
  hosts: ReadonlySet<string>,
  isOnLink: (address: string) => boolean,
): readonly WakeCard[] {
  const met = cards.filter(({ address }) => hosts.has(address));
  return met.length > 0 ? met : cards.filter(({ address }) => isOnLink(address));
}

/** The hosts in all addresses of a server. */
function hostsOf(
  { deviceId, url }: ServerFacts,
  addresses: readonly { readonly url: string; readonly deviceId?: string }[],
): ReadonlySet<string> {
  const urls = addresses.filter((address) => address.deviceId === deviceId).map((address) => address.url);
  return new Set([url, ...urls].map(hostOf));
}
