import { OllanaError } from '../errors.ts';
import { type CommandedDaemon, type DaemonRequest, sendToDaemon, theDaemon } from './daemon-request.ts';
import { plainText } from './text.ts';

/** The daemon's answer about one server is some kilobytes of the names of models; servers' words are in it. */
const LARGEST_BODY = 4 * 1024 * 1024;

/** What the daemon says about what it was told; every member may be missing or something else. */
export type Told = Readonly<Record<string, unknown>>;

/**
 * Tells the running daemon itself something; resolves with what it answers, and prints what went wrong, in which case
 * it resolves with undefined. Throws OLLANA_NOT_RUNNING and OLLANA_DIAL_FAILED.
 */
export async function tellDaemon(
  dataDir: string,
  asked: Pick<DaemonRequest, 'method' | 'path' | 'body'>,
  daemon: CommandedDaemon = theDaemon(dataDir),
): Promise<Told | undefined> {
  const answer = await sendToDaemon(daemon, asked);
  let text = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > LARGEST_BODY) throw new Error('the answer is too long');
  }
  const { statusCode = 0 } = answer;
  const told = objectIn(text);
  if (statusCode < 300 && told) return told;
  const error = typeof told?.error === 'string' ? told.error : undefined;
  if (error === undefined)
    throw new OllanaError(
      'OLLANA_DIAL_FAILED',
      `ollana (pid ${daemon.pid}) at ${daemon.url} does not know this command (HTTP status ${statusCode}): restart it, it may be an older one`,
    );
  process.stderr.write(`ollana: ${plainText(error)}\n`);
  return undefined;
}

function objectIn(text: string): Told | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Told) : undefined;
  } catch {
    return undefined; // Not JSON: no answer of ours.
  }
}
