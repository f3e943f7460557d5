import { isReached } from '../../fleet/verdict-rules.ts';
import { settingCommand } from '../health/checks/setting.ts';
import { gigabytes, type Remedy, shown, word } from '../health/finding.ts';
import type { HealthServer, HealthSnapshot } from '../health/snapshot.ts';

/** How a model was used by those who come through this ollana. */
export interface ModelUse {
  readonly requests: number;
  /** Ms since 1970. */
  readonly lastUsedMs: number;
}

/** What is known of the use of models. */
export interface Usage {
  /** How far back it reaches, ms: what is older is not known. */
  readonly reachMs: number;
  /** By `modelKey`. */
  readonly models: ReadonlyMap<string, ModelUse>;
}

/** Something that would be better otherwise, though nothing is wrong. */
export interface Advice {
  /** What kind of advice, and what about. */
  readonly id: string;
  readonly kind: 'keep-loaded' | 'copy' | 'unload' | 'remove' | 'context';
  readonly title: string;
  /** With the numbers. */
  readonly why: string;
  readonly remedy: Remedy;
  readonly server: string;
  readonly deviceId: string;
  readonly model: string;
  /** What it would free, bytes; absent: nothing. */
  readonly frees?: number;
}

const HOUR_MS = 3_600_000;
const UNUSED_MS = 30 * 24 * HOUR_MS;
/** A model counts as used much with so many requests an hour, at least; and so many in all. */
const MUCH = { anHour: 2, requests: 20 };
/** The part of all requests from which a second copy is worth its room. */
const COPY_PART = 0.25;
/** A server has hundreds of models at most; the largest come first. */
const MOST = 50;

/** What to keep where, what to unload, what is not used, which contexts are loaded by turns. Pure. */
export function recommend(snapshot: HealthSnapshot, usage: Usage): readonly Advice[] {
  const servers = snapshot.servers.filter(({ verdict, kind }) => isReached(verdict) && kind !== 'local');
  const seen = { snapshot, usage, servers };
  return [...keep(seen), ...copies(seen), ...unloads(seen), ...contexts(seen), ...removals(seen)];
}

interface Seen {
  readonly snapshot: HealthSnapshot;
  readonly usage: Usage;
  readonly servers: readonly HealthServer[];
}

/** Models used much, most used first. */
function favourites({ usage }: Seen): readonly (readonly [string, ModelUse])[] {
  const hours = Math.max(1, usage.reachMs / HOUR_MS);
  return [...usage.models]
    .filter(([, { requests }]) => requests >= MUCH.requests && requests / hours >= MUCH.anHour)
    .sort(([, a], [, b]) => b.requests - a.requests)
    .slice(0, MOST);
}

function keep(seen: Seen): Advice[] {
  return favourites(seen).flatMap(([key, { requests }]): Advice[] => {
    const holders = seen.servers.filter(({ modelKeys }) => modelKeys.has(key));
    if (holders.some(({ loadedKeys }) => loadedKeys.has(key))) return [];
    const best = roomiest(holders, key);
    if (!best) return [];
    const { name: model, size } = rowOf(best, key);
    const body = JSON.stringify({ model, keep_alive: -1 });
    const command = `curl http://localhost:11435/api/generate -H ${word(`X-Ollana-Server: ${best.name}`)} -d ${word(body)}`;
    return [
      about('keep-loaded', best, model, {
        title: `keep ${shown(model)} in the memory of ${shown(best.name)}`,
        why: `${requests} requests, and it is loaded nowhere; ${gigabytes(size)}${room(best)}`,
        remedy: { command, on: null },
      }),
    ];
  });
}

function copies(seen: Seen): Advice[] {
  const all = [...seen.usage.models.values()].reduce((sum, { requests }) => sum + requests, 0);
  return favourites(seen).flatMap(([key, { requests }]): Advice[] => {
    const holders = seen.servers.filter(({ modelKeys }) => modelKeys.has(key));
    const [only] = holders;
    if (!only || holders.length > 1 || requests < COPY_PART * all) return [];
    const { name: model, size } = rowOf(only, key);
    const others = seen.servers.filter(({ allowsManage, machine }) => {
      const disk = machine?.disk?.freeBytes;
      return allowsManage && (disk === undefined || disk > 2 * size);
    });
    const best = roomiest(
      others.filter((server) => server !== only && (server.freeMemoryBytes ?? 0) >= size),
      key,
    );
    if (!best) return [];
    return [
      about('copy', best, model, {
        title: `have a second copy of ${shown(model)} on ${shown(best.name)}`,
        why: `${requests} of ${all} requests are for it, and only ${shown(only.name)} has it${room(best)}`,
        remedy: { command: `ollana pull ${word(model)} --on ${word(best.name)}`, on: null },
      }),
    ];
  });
}

function unloads({ snapshot, usage, servers }: Seen): Advice[] {
  return servers.flatMap((server) =>
    (server.ps ?? []).flatMap(({ key, name: model, expiresAt, raw }): Advice[] => {
      const idleMs = snapshot.wallMs - (usage.models.get(key)?.lastUsedMs ?? snapshot.wallMs - usage.reachMs);
      const staysMs = Date.parse(expiresAt) - snapshot.wallMs;
      // What goes by itself soon needs nobody; and who has the memory may keep what it likes.
      if (idleMs < HOUR_MS || !(staysMs > HOUR_MS) || (server.ps ?? []).length < 2) return [];
      const size = Number(raw.size_vram) || Number(raw.size) || 0;
      return [
        about('unload', server, model, {
          title: `unload ${shown(model)} from ${shown(server.name)}`,
          why: `it has not been used through this ollana for ${hours(idleMs)}, and stays for more than an hour`,
          remedy: { command: `ollana unload ${word(model)} --on ${word(server.name)}`, on: null },
          frees: size,
        }),
      ];
    }),
  );
}

function removals({ snapshot, usage, servers }: Seen): Advice[] {
  if (usage.reachMs < UNUSED_MS) return [];
  const unused = servers.flatMap((server) =>
    (server.tags ?? []).flatMap(({ key, name: model, modifiedAt }): Advice[] => {
      const since = Math.max(usage.models.get(key)?.lastUsedMs ?? 0, Date.parse(modifiedAt) || 0);
      if (snapshot.wallMs - since < UNUSED_MS || server.loadedKeys.has(key)) return [];
      const others = snapshot.mode === 'client' && !server.isOwn ? '; other machines may have used it' : '';
      return [
        about('remove', server, model, {
          title: `remove ${shown(model)} from ${shown(server.name)}`,
          why: `it has not been used through this ollana for 30 days${others}`,
          remedy: { command: `ollana rm ${word(model)} --on ${word(server.name)}`, on: null },
          frees: rowOf(server, key).size,
        }),
      ];
    }),
  );
  return unused.sort((a, b) => (b.frees ?? 0) - (a.frees ?? 0)).slice(0, MOST);
}

function contexts({ snapshot, servers }: Seen): Advice[] {
  return servers.flatMap((server) => {
    const changes = snapshot.past.get(server.deviceId)?.contextChanges ?? [];
    return [...new Set(changes.map(({ model }) => model))].flatMap((key): Advice[] => {
      const own = changes.filter(({ model }) => model === key);
      if (own.length < 2) return [];
      const sizes = [...new Set(own.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
      const { name: model } = rowOf(server, key);
      const most = String(sizes.at(-1) ?? 0);
      return [
        about('context', server, model, {
          title: `have one context for ${shown(model)} on ${shown(server.name)}`,
          why: `it was loaded anew ${own.length} times within half an hour, for ${sizes.join(', ')} tokens by turns`,
          remedy: {
            command: settingCommand(server.machine, 'OLLAMA_CONTEXT_LENGTH', most),
            on: shown(server.name),
          },
        }),
      ];
    });
  });
}

function about(
  kind: Advice['kind'],
  { deviceId, name: server }: HealthServer,
  model: string,
  rest: Pick<Advice, 'title' | 'why' | 'remedy' | 'frees'>,
): Advice {
  return { id: `${kind}:${deviceId}/${model}`, kind, deviceId, server, model, ...rest };
}

/** The server with most memory free of those where the model fits, or where nobody knows. */
function roomiest(servers: readonly HealthServer[], key: string): HealthServer | undefined {
  return servers
    .filter((server) => (server.freeMemoryBytes ?? Number.POSITIVE_INFINITY) >= rowOf(server, key).size)
    .reduce<HealthServer | undefined>(
      (best, one) => (best && (best.freeMemoryBytes ?? 0) >= (one.freeMemoryBytes ?? 0) ? best : one),
      undefined,
    );
}

function rowOf({ tags, ps }: HealthServer, key: string): { readonly name: string; readonly size: number } {
  const row = [...(tags ?? []), ...(ps ?? [])].find((one) => one.key === key);
  const size = row?.raw.size;
  return { name: row?.name ?? key, size: typeof size === 'number' && size > 0 ? size : 0 };
}

function room({ freeMemoryBytes }: HealthServer): string {
  return freeMemoryBytes === undefined ? '' : `, with ${gigabytes(freeMemoryBytes)} free there`;
}

function hours(ms: number): string {
  const count = Math.floor(ms / HOUR_MS);
  return count >= 48 ? `${Math.floor(count / 24)} days` : `${count} h`;
}
