import type { Clock } from '../clock.ts';
import { OllanaError } from '../errors.ts';
import { fetchJson, fetchSmall } from '../ollama/client.ts';
import { readPs, readTags } from '../ollama/lists.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { ERROR_HEADER } from './answers.ts';
import { type Knowledge, shortVersion } from './knowledge.ts';
import type { ProbeFailure } from './probe-plan.ts';
import { checkAllowed, type ShownTo } from './rust-server.ts';
import { readTold } from './told.ts';

/** Limits of a probe, ms; see probe-plan.ts for what follows from them. */
export const CONNECT_MS = 1000;
export const ANSWER_MS = 5000;

/**
 * Asks a server for its version over connections that `agent` makes afresh, and takes what it tells into `knowledge`.
 * Resolves with the DeviceId that it has proved to have; undefined where it has proved none. Rejects with the codes of
 * `fetchSmall` and of `checkAllowed`, with `OLLANA_NOT_PAIRED` when it serves paired devices only, and with
 * `OLLANA_UPSTREAM_FAILED` when it answers anything else but 200.
 */
export async function look(
  { url, shownId }: ShownTo,
  knowledge: Knowledge,
  clock: Clock,
  agent: PathAgent | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const startedAt = clock.now();
  const limits = { connectTimeoutMs: CONNECT_MS, timeoutMs: ANSWER_MS };
  const options = { clock, agent, signal, ...limits };
  const answer = await fetchSmall(`${url}/api/version`, options);
  if (answer.status === 403 && answer.headers[ERROR_HEADER] === 'OLLANA_NOT_PAIRED')
    throw new OllanaError('OLLANA_NOT_PAIRED', 'it is not paired with this device');
  if (answer.status !== 200) {
    throw new OllanaError('OLLANA_UPSTREAM_FAILED', `it answers ${answer.status} to GET /api/version`);
  }
  knowledge.latencyMs = clock.now() - startedAt;
  knowledge.told = readTold(answer.headers);
  knowledge.version = versionIn(answer.body) ?? knowledge.version;
  await checkAllowed({ url, shownId }, options);
  return answer.deviceId;
}

/** Reads the lists of a server into `knowledge`; one that cannot be read keeps its last rows. */
export async function readLists(
  url: string,
  knowledge: Knowledge,
  clock: Clock,
  agent: PathAgent,
  signal: AbortSignal,
): Promise<void> {
  const options = { clock, connectTimeoutMs: CONNECT_MS, timeoutMs: ANSWER_MS, agent, signal };
  const askedAt = clock.now();
  const { listsTold } = knowledge;
  const [tags, ps] = await Promise.allSettled([
    fetchJson(`${url}/api/tags`, options),
    fetchJson(`${url}/api/ps`, options),
  ]);
  if (knowledge.listsTold !== listsTold) return;
  if (tags.status === 'fulfilled') knowledge.tags = readTags(tags.value);
  if (ps.status !== 'fulfilled') return;
  knowledge.ps = readPs(ps.value);
  knowledge.psAt = askedAt;
}

/** What kind of failure a rejection of `look` is. Pure. */
export function failureKind(error: unknown): ProbeFailure {
  if (!(error instanceof OllanaError)) return 'refused';
  if (error.code === 'OLLANA_UPSTREAM_SILENT') return 'silent';
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  // A refusal or a reset is somebody's answer; no route, no host, or our own limit (without errno) are nobody's.
  const answered = error.code !== 'OLLANA_DIAL_FAILED' || /^ECONN(REFUSED|RESET)$/.test(cause?.code ?? '');
  return answered ? 'refused' : 'unreachable';
}

function versionIn(body: Buffer): string | undefined {
  try {
    return shortVersion((JSON.parse(body.toString('utf8')) as { version?: unknown }).version);
  } catch {
    return undefined; // Alive all the same; an answer without a version only stays unlisted.
  }
}
