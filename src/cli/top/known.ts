import type { LiveChange, LiveView, LoadView, RequestView, ServerView } from '../../dashboard/view.ts';

/** What a daemon has told of itself so far, by key. */
export type Known = Partial<LiveView>;

/** Whether it still tells. Times are ms since 1970. */
export type Link =
  | { readonly type: 'connecting' }
  | { readonly type: 'live' }
  | { readonly type: 'lost'; readonly since: number; readonly reason: string };

/** What is known after an event of `/dashboard/events`; the same object where it changes nothing. Pure. */
export function afterEvent(known: Known, name: string, data: unknown): Known {
  if (name !== 'snapshot' && name !== 'delta') return known;
  const { set, gone } = data as LiveChange;
  if (name === 'snapshot') return set as Known;
  const left = Object.entries(known).filter(([key]) => !gone.includes(key));
  return { ...Object.fromEntries(left), ...set } as Known;
}

/** A server with what runs and waits there. */
export interface KnownServer extends ServerView {
  readonly load: LoadView;
  /** Tokens a second of the last request from here that it answered; null: not known. */
  readonly lastPerS: number | null;
}

const NO_LOAD: LoadView = { inFlight: 0, latencyMs: null, queued: null, busy: [] };

/** The servers, by name. Pure. */
export function serversIn(known: Known): readonly KnownServer[] {
  const servers = Object.entries(known)
    .filter(([key]) => key.startsWith('server:'))
    .map(([, value]) => value as ServerView)
    .map((server) => ({
      ...server,
      load: known[`load:${server.url}`] ?? NO_LOAD,
      lastPerS: lastPerS(known, (one) => one.server === server.name),
    }));
  return servers.sort((a, b) => compare(a.name, b.name) || compare(a.url, b.url));
}

/** What runs and waits at a server: whoever asked for it, where the server tells that; else what is from here. Pure. */
export function workAt({ load }: KnownServer): { readonly active: number; readonly queued: number } {
  const active = load.busy.reduce((sum, row) => sum + row.active, 0);
  return { active: Math.max(active, load.inFlight), queued: load.queued ?? 0 };
}

/** Tokens a second of the last of those requests that tells; null: none does. Pure. */
export function lastPerS({ recent }: Known, isOne: (request: RequestView) => boolean): number | null {
  const last = (recent ?? []).find((one) => typeof one.tokensPerS === 'number' && isOne(one));
  return last?.tokensPerS ?? null;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
