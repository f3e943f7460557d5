import type { PoolServer } from '../fleet/pool.ts';
import type { PsRow, TagRow } from '../ollama/lists.ts';
import { modelKey } from '../ollama/names.ts';

/** One server's rows, in the order in which a request would be routed. */
export interface Listed<Row> {
  readonly server: PoolServer;
  readonly rows: readonly Row[];
}

/**
 * One `/api/tags` row per model over all servers, newest first as Ollama sorts; of two copies the one whose
 * server comes first. Rows are passed on as their servers wrote them. Pure.
 */
export function mergeTags(lists: readonly Listed<TagRow>[]): Record<string, unknown>[] {
  const byKey = new Map<string, TagRow>();
  for (const { rows } of lists) {
    for (const row of rows) if (!byKey.has(row.key)) byKey.set(row.key, row);
  }
  return [...byKey.values()]
    .sort(
      (a, b) =>
        Date.parse(b.modifiedAt || '0') - Date.parse(a.modifiedAt || '0') || a.key.localeCompare(b.key),
    )
    .map((row) => row.raw);
}

/** `/api/ps` rows of all servers, one per server and model, longest-lived first as Ollama sorts. Pure. */
export function mergePs(lists: readonly Listed<PsRow>[]): Record<string, unknown>[] {
  return lists
    .flatMap(({ rows }) => rows)
    .sort((a, b) => Date.parse(b.expiresAt || '0') - Date.parse(a.expiresAt || '0'))
    .map((row) => row.raw);
}

/** `/v1/models` over all servers, in the order of `mergeTags`. Pure. */
export function mergeOpenAiModels(lists: readonly Listed<TagRow>[]): Record<string, unknown>[] {
  return mergeTags(lists).map((row) => ({
    id: row.name ?? row.model,
    object: 'model',
    created: Math.floor(Date.parse(String(row.modified_at ?? 0)) / 1000) || 0,
    owned_by: ownerOf(String(row.name ?? row.model ?? '')),
  }));
}

/** The namespace of a model name, which Ollama gives as `owned_by`. */
function ownerOf(name: string): string {
  return modelKey(name).split('/').at(-2) ?? 'library';
}

/** The lowest of several version strings: what a client may count on everywhere. Pure. */
export function lowestVersion(versions: readonly string[]): string | undefined {
  return [...versions].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))[0];
}
