import { type IncomingMessage, request } from 'node:http';
import { type DaemonState, runningDaemons } from '../daemon/state-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { commandKey } from '../security/command-key.ts';
import { getSmall } from './get-small.ts';

/** The daemon is on this machine and answers its own paths from memory. */
const ANSWER_LIMIT_MS = 2_000;
/** What a daemon says about one request besides progress is some lines; servers' words are in it, so it is bounded. */
const LARGEST_BODY = 1024 * 1024;

/** A daemon, and what its own commands show to it where it asks for a key. */
export type CommandedDaemon = DaemonState & { readonly key?: string };

/** The daemon of a data directory, the client-mode one if both run. Throws OLLANA_NOT_RUNNING. */
export function theDaemon(dataDir: string): CommandedDaemon {
  const [daemon] = runningDaemons(dataDir);
  const key = commandKey(dataDir);
  if (daemon) return { ...daemon, ...(key !== undefined && { key }) };
  throw new OllanaError(
    'OLLANA_NOT_RUNNING',
    `no running ollana found in ${dataDir}: start one with \`ollana\` or \`ollana serve\`, or give its --data-dir`,
  );
}

/** Reads one of the daemon's own reports, checked by `isReport`. Throws OLLANA_DIAL_FAILED. */
export async function readReport<T>(
  daemon: DaemonState,
  path: string,
  isReport: (value: Partial<T>) => boolean,
): Promise<T> {
  try {
    const { status, body } = await getSmall(daemon.url + path, ANSWER_LIMIT_MS);
    if (status !== 200) throw new Error(`HTTP status ${status}`);
    const report = JSON.parse(body) as Partial<T> | null;
    if (!report || !isReport(report)) throw new Error('not a report');
    return report as T;
  } catch (error) {
    throw silent(daemon, error);
  }
}

/** One request to be passed on to servers. */
export interface DaemonRequest {
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Device id of the server it is for; absent: the daemon decides. */
  readonly server?: string | undefined;
  /** An abort closes the connection, which cancels the request at its server. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request through the daemon on a connection of its own. Resolves with the answer's head, however long
 * that takes: a server may be at work. Throws OLLANA_DIAL_FAILED, and the signal's AbortError.
 */
export function sendToDaemon(daemon: CommandedDaemon, asked: DaemonRequest): Promise<IncomingMessage> {
  const body = JSON.stringify(asked.body);
  return new Promise((resolve, reject) => {
    const sent = request(
      daemon.url + asked.path,
      {
        agent: false,
        method: asked.method,
        headers: {
          'Content-Type': 'application/json',
          // Node frames the body of a DELETE only when it is told the length.
          'Content-Length': Buffer.byteLength(body),
          ...(daemon.key === undefined ? {} : { Authorization: `Bearer ${daemon.key}` }),
          ...(asked.server === undefined ? {} : { 'X-Ollana-Server': asked.server }),
        },
        ...(asked.signal ? { signal: asked.signal } : {}),
      },
      resolve,
    );
    sent.on('error', (error) => reject(asked.signal?.aborted ? error : silent(daemon, error)));
    sent.end(body);
  });
}

/** The servers that an answer comes from, as the daemon names them. */
export function serverOf(answer: IncomingMessage): string | undefined {
  const name = answer.headers['x-ollana-server'];
  return typeof name === 'string' && name !== '' && name !== 'none' ? name : undefined;
}

/** The error that an answer tells of, or undefined where it tells of none. Rejects when the answer breaks off. */
export async function errorIn(answer: IncomingMessage): Promise<string | undefined> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > LARGEST_BODY) throw new Error('the answer is too long');
  }
  const { statusCode = 0 } = answer;
  return errorOf(text) ?? (statusCode < 300 ? undefined : `HTTP status ${statusCode}`);
}

function errorOf(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    // Not JSON: an empty answer of a delete, or a status that has to do.
    return undefined;
  }
}

function silent({ mode, pid, url }: DaemonState, error: unknown): OllanaError {
  return new OllanaError(
    'OLLANA_DIAL_FAILED',
    `ollana in ${mode} mode (pid ${pid}) at ${url} gave no answer (${reasonOf(error)}): look at its log`,
    { cause: error },
  );
}
