import type { PoolServer } from '../fleet/pool.ts';
import type { PsRow, TagRow } from '../ollama/lists.ts';
import { modelKey } from '../ollama/names.ts';
import { rank } from '../routing/policy.ts';

/** One server's rows, in the order in which a request would be routed. */
export interface Listed<Row> {
  readonly server: PoolServer;
  readonly rows: readonly Row[];
}

/** The `ollama` CLI cuts this many characters out of a digest, and crashes where there are fewer. */
const CLI_DIGEST_CHARS = 12;

/**
 * One `/api/tags` row per model over all servers, newest first as Ollama sorts. Where copies differ, the one that
 * a request for the model would be routed to; of equal copies, the row that was modified last. Rows are passed
 * on as their servers wrote them; one without a digest that the CLI can show is left out. Pure.
 */
export function mergeTags(lists: readonly Listed<TagRow>[]): Record<string, unknown>[] {
  const copies = new Map<string, { server: PoolServer; row: TagRow }[]>();
  for (const { server, rows } of lists) {
    for (const row of rows.filter(({ raw }) => isShowable(raw))) {
      const known = copies.get(row.key);
      if (known) known.push({ server, row });
      else copies.set(row.key, [{ server, row }]);
    }
  }
  return [...copies]
    .flatMap(([key, of]) => {
      const chosen = of.length === 1 ? of[0]?.row : chosenOf(key, of);
      return chosen ? [chosen] : [];
    })
    .sort((a, b) => timeOf(b.modifiedAt) - timeOf(a.modifiedAt) || a.key.localeCompare(b.key))
    .map((row) => row.raw);
}

function chosenOf(
  key: string,
  copies: readonly { readonly server: PoolServer; readonly row: TagRow }[],
): TagRow | undefined {
  // The lists just read may say more than what was known when the pool was made.
  const pool = copies.map(({ server }) => ({ ...server, modelKeys: new Set([key]) }));
  const [best] = rank(pool, { modelKey: key, tried: new Set(), turn: 0 });
  const first = copies.find(({ server }) => server.deviceId === best?.server.deviceId)?.row;
  if (!first) return undefined;
  return copies
    .map(({ row }) => row)
    .filter((row) => bareDigest(row.digest) === bareDigest(first.digest))
    .reduce((newest, row) => (timeOf(row.modifiedAt) > timeOf(newest.modifiedAt) ? row : newest), first);
}

function bareDigest(digest: string): string {
  return digest.toLowerCase().replace(/^sha256:/, '');
}

function isShowable({ digest }: Readonly<Record<string, unknown>>): boolean {
  return typeof digest === 'string' && digest.length >= CLI_DIGEST_CHARS;
}

/** Unreadable times come last: what compares with NaN has no order. */
function timeOf(text: string): number {
  return Date.parse(text) || 0;
}

/**
 * `/api/ps` rows of all servers, one per server and model, longest-lived first as Ollama sorts; one without a
 * digest that the CLI can show is left out. Pure.
 */
export function mergePs(lists: readonly Listed<PsRow>[]): Record<string, unknown>[] {
  return lists
    .flatMap(({ rows }) => [...new Map(rows.map((row) => [row.key, row])).values()])
    .filter(({ raw }) => isShowable(raw))
    .sort((a, b) => timeOf(b.expiresAt) - timeOf(a.expiresAt))
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
