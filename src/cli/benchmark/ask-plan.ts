import { OllanaError, reasonOf } from '../../errors.ts';
import type { BenchmarkPlan } from '../../observe/benchmark/run.ts';
import type { CommandedDaemon } from '../daemon-request.ts';
import { getSmall } from '../get-small.ts';
import { plainText } from '../text.ts';

/** The daemon looks through what it knows of some hundred servers. */
const ANSWER_LIMIT_MS = 5_000;

/**
 * What a benchmark would do; undefined where the daemon says why it would do nothing, which is printed. Throws
 * OLLANA_DIAL_FAILED.
 */
export async function readPlan(daemon: CommandedDaemon, path: string): Promise<BenchmarkPlan | undefined> {
  const { status, body } = await getSmall(daemon.url + path, ANSWER_LIMIT_MS).catch((cause: unknown) => {
    throw failed(daemon, `gave no answer (${reasonOf(cause)}): look at its log`, cause);
  });
  const value = objectIn(body);
  if (status === 200 && Array.isArray(value?.targets)) return value as unknown as BenchmarkPlan;
  if (typeof value?.error !== 'string')
    throw failed(daemon, `does not know this command (HTTP status ${status}): restart it, it may be older`);
  process.stderr.write(`ollana: ${plainText(value.error)}\n`);
  return undefined;
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // Not JSON: no answer of ours.
  }
}

function failed({ pid, url }: CommandedDaemon, what: string, cause?: unknown): OllanaError {
  return new OllanaError('OLLANA_DIAL_FAILED', `ollana (pid ${pid}) at ${url} ${what}`, { cause });
}
