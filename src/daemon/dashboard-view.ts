import type { LoadView, ServerView } from '../dashboard/view.ts';
import type { ServerLoad } from '../fleet/load.ts';
import type { Pool, PoolServer } from '../fleet/pool.ts';
import { shownModel } from '../ollama/names.ts';
import type { ServerStatus } from './status.ts';

/** More servers than this are not drawn: the page would take longer than a change does. */
const MOST_SERVERS = 500;
/** Models of one server whose work and speed are told. */
const MOST_MODELS = 50;

/**
 * The servers and what runs at them, by `server:URL` and `load:URL`. Pure but for `loadOf`, which tells what is known
 * of a server's queue.
 */
export function serverViews(
  servers: readonly ServerStatus[],
  pool: Pool,
  loadOf: (server: PoolServer) => ServerLoad | undefined,
): Readonly<Record<string, ServerView | LoadView>> {
  const byUrl = new Map(pool.map((server) => [server.url, server]));
  const views = servers.slice(0, MOST_SERVERS).flatMap((status) => {
    const server = byUrl.get(status.url);
    return [
      [`server:${status.url}`, serverView(status, server)],
      [`load:${status.url}`, loadView(status, server && loadOf(server))],
    ] as const;
  });
  return Object.fromEntries(views);
}

function serverView(status: ServerStatus, server: PoolServer | undefined): ServerView {
  const { name, url, kind, sources, verdict, reason, since, version, models, machine } = status;
  // When it was read changes all the time, and says nothing.
  const { atMs: _atMs, ...facts } = machine ?? { atMs: 0 };
  return {
    name,
    url,
    kind,
    sources,
    verdict,
    reason: reason ?? null,
    since,
    version: version ?? null,
    models: models.length,
    loaded: (server?.ps ?? []).slice(0, MOST_MODELS).map(({ name: model, raw }) => ({
      name: model,
      sizeVram: numberIn(raw.size_vram),
      contextLength: numberIn(raw.context_length),
    })),
    machine: 'cpu' in facts ? facts : null,
  };
}

function loadView({ inFlight, latencyMs }: ServerStatus, load: ServerLoad | undefined): LoadView {
  const rows = Object.entries(load?.models ?? {});
  const busy = rows.filter(([, row]) => row.active + row.queued > 0 || row.loading || row.decodeMsPerToken);
  return {
    inFlight,
    latencyMs,
    queued: load ? rows.reduce((sum, [, { queued }]) => sum + queued, 0) : null,
    busy: busy.slice(0, MOST_MODELS).map(([model, row]) => ({
      model: shownModel(model),
      active: row.active,
      queued: row.queued,
      slots: row.slots,
      loading: row.loading,
      decodePerS: perSecond(row.decodeMsPerToken),
      prefillPerS: perSecond(row.prefillMsPerToken),
    })),
  };
}

function perSecond(ms: number | null): number | null {
  return ms === null || ms <= 0 ? null : Math.round(10_000 / ms) / 10;
}

function numberIn(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}
