import type { Sqlite } from './trace-file.ts';

/** When a server last ran a model. */
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
     WHERE model <> '' AND node_id <> '' AND requests > failed
     GROUP BY model, node_id ORDER BY hour DESC LIMIT ${MAX_ROWS}`,
  );
  return rows.map(({ model, server, hour }) => ({
    model: String(model),
    server: String(server),
    lastHourMs: Number(hour) * 3_600_000,
  }));
}
