import { readWakeCards } from '../discovery/wake.ts';
import type { KnownServer } from './wake-plan.ts';

/** More machines than a home or an office wakes. */
const MAX_SERVERS = 64;
/** More than a person keeps on a machine; those beyond it wake nobody. */
const MAX_MODELS = 512;
/** Names of models are shorter; what is not, wakes nobody. */
const MAX_TEXT = 256;
/** A machine that has not been there for so long has been given away, ms. */
const KEEP_MS = 90 * 24 * 3_600_000;
/** That a server is there still is news for the file this often, ms. */
const SEEN_AGAIN_MS = 24 * 3_600_000;
/** Where there are too many, one that has not been there for so long makes room, ms: others would take turns. */
const MAKES_ROOM_MS = 2 * SEEN_AGAIN_MS;

/** What is remembered of servers that can be woken, in bounds. */
export class WakeBook {
  readonly #servers = new Map<string, KnownServer>();

  /** Notes a server that is there; returns whether that is news. Its calls begin anew. */
  saw(server: Omit<KnownServer, 'calls'>): boolean {
    const { deviceId } = server;
    const models = server.models.filter((model) => model.length <= MAX_TEXT).slice(0, MAX_MODELS);
    const now = { ...server, name: server.name.slice(0, MAX_TEXT), models: [...models].sort(), calls: 0 };
    const before = this.#servers.get(deviceId);
    if (before && sameBut(before, now) && now.seenAt - before.seenAt < SEEN_AGAIN_MS) return false;
    if (!before && !this.#hasRoom(now.seenAt)) return false;
    this.#servers.set(deviceId, now);
    return true;
  }

  /** Notes that a server is being called. */
  called(deviceId: string): void {
    const known = this.#servers.get(deviceId);
    if (known) this.#servers.set(deviceId, { ...known, calls: known.calls + 1 });
  }

  all(): readonly KnownServer[] {
    return [...this.#servers.values()];
  }

  /** Takes what a file tells, as far as it makes sense and nothing newer is known; `now` in ms since 1970. */
  load(rows: readonly unknown[], now: number): void {
    for (const row of rows) {
      const server = readKnown(row);
      if (!server || now - server.seenAt > KEEP_MS || this.#servers.has(server.deviceId)) continue;
      if (this.#servers.size < MAX_SERVERS) this.#servers.set(server.deviceId, server);
    }
  }

  toJSON(): readonly KnownServer[] {
    return this.all();
  }

  #hasRoom(now: number): boolean {
    if (this.#servers.size < MAX_SERVERS) return true;
    const [oldest] = [...this.#servers.values()].sort((a, b) => a.seenAt - b.seenAt);
    if (!oldest || now - oldest.seenAt < MAKES_ROOM_MS) return false;
    this.#servers.delete(oldest.deviceId);
    return true;
  }
}

function sameBut(a: KnownServer, b: KnownServer): boolean {
  return JSON.stringify({ ...a, seenAt: 0 }) === JSON.stringify({ ...b, seenAt: 0 });
}

function readKnown(row: unknown): KnownServer | undefined {
  const { deviceId, name, cards, models, seenAt, calls } = (row ?? {}) as Record<string, unknown>;
  if (typeof deviceId !== 'string' || !/^[\w:./[\]-]{1,256}$/.test(deviceId)) return undefined;
  if (typeof name !== 'string' || typeof seenAt !== 'number' || !Number.isFinite(seenAt)) return undefined;
  const known = readWakeCards(cards);
  if (known.length === 0 || !Array.isArray(models)) return undefined;
  return {
    deviceId,
    name: name.replace(/\p{C}/gu, '').slice(0, MAX_TEXT),
    cards: known,
    models: models
      .filter((model) => typeof model === 'string' && model.length <= MAX_TEXT)
      .slice(0, MAX_MODELS),
    seenAt,
    calls: typeof calls === 'number' && calls >= 0 ? calls : 0,
  };
}
