import type { Sqlite } from './trace-file.ts';

/** What the dashboard's own orders are counted under: unloading a model is no use of it. */
export const DASHBOARD_APP = 'ollana dashboard';

/** When a server last had to do with a model. */
export interface LastUse {
  /** As clients spelled it. */
  readonly model: string;
  readonly server: string;
  /** When that hour began, ms since 1970. */
  readonly lastHourMs: number;
}

/** Models times servers; who has more does not look at them one by one. */
const MAX_ROWS = 10_000;

/** Reads when each server last answered a request for each model, the newest first. Throws what SQLite says. */
export function readLastUses(db: Sqlite): readonly LastUse[] {
  const rows = db.all(
    `SELECT model, node_id AS server, max(hour) AS hour FROM usage_hours
     WHERE model <> '' AND node_id <> '' AND app <> ? AND requests > failed
     GROUP BY model, node_id ORDER BY hour DESC LIMIT ${MAX_ROWS}`,
    DASHBOARD_APP,
  );
  return rows.map(({ model, server, hour }) => ({
    model: String(model),
    server: String(server),
    lastHourMs: Number(hour) * 3_600_000,
  }));
}
