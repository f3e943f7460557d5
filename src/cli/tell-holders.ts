import type { IncomingMessage } from 'node:http';
import type { StatusReport } from '../daemon/status.ts';
import type { ServerEnd } from '../errors.ts';
import { endLines } from '../proxy/broadcast.ts';
import { chosenServer } from './chosen-servers.ts';
import { type DaemonRequest, readReport, sendToDaemon, serverOf, theDaemon } from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { plainText } from './text.ts';

/** Some lines for each server; their own words are in it, so it is bounded. */
const LARGEST_BODY = 1024 * 1024;

/** What a command that concerns every holder of a model was told. */
export interface HolderOrder {
  readonly dataDir: string;
  readonly model: string;
  /** The only server to do it, as the user calls it. */
  readonly on: string | undefined;
}

/**
 * Sends a request through the running daemon, which passes it on to every holder of the model or to the one named,
 * and prints `DONE on SERVERS`, or on stderr who did not do it and why. Returns the exit code. Throws
 * OLLANA_NOT_RUNNING, OLLANA_NO_SERVER and OLLANA_DIAL_FAILED.
 */
export async function tellHolders(
  { dataDir, on }: HolderOrder,
  asked: Pick<DaemonRequest, 'method' | 'path' | 'body'>,
  done: string,
): Promise<number> {
  const daemon = theDaemon(dataDir);
  const server =
    on === undefined
      ? undefined
      : chosenServer(
          on,
          await readReport<StatusReport>(daemon, '/ollana/api/status', ({ servers }) =>
            Array.isArray(servers),
          ),
        ).deviceId;
  const answer = await sendToDaemon(daemon, { ...asked, server });
  const who = serverOf(answer);
  const { error, servers } = await saidIn(answer);
  if (error === undefined) {
    process.stdout.write(`${plainText(`${done} ${who ?? 'a server'}`)}\n`);
    return EXIT.ok;
  }
  process.stderr.write(
    errorLines(error, servers)
      .map((line, at) => `${at === 0 ? 'ollana: ' : '  '}${plainText(line)}\n`)
      .join(''),
  );
  return EXIT.failed;
}

/** What the daemon says went wrong, undefined when nothing did, and who did what where it tells that too. */
interface Said {
  readonly error: string | undefined;
  readonly servers: unknown;
}

/** Rejects when the answer breaks off or is over 1 MB. */
async function saidIn(answer: IncomingMessage): Promise<Said> {
  let text = '';
  for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > LARGEST_BODY) throw new Error('the answer is too long');
  }
  const { statusCode = 0 } = answer;
  const { error, servers } = membersOf(text);
  if (typeof error === 'string') return { error, servers };
  return { error: statusCode < 300 ? undefined : `HTTP status ${statusCode}`, servers };
}

function membersOf(text: string): { readonly error?: unknown; readonly servers?: unknown } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {}; // An empty answer of a delete, or a status that has to do.
  }
}

/**
 * The lines to print of an error: who did it and then one for each who did not, as far as `servers` is a list of
 * those; else the error alone. Pure.
 */
export function errorLines(error: string, servers?: unknown): string[] {
  const ends = Array.isArray(servers) ? servers.filter(isEnd) : [];
  return ends.some((end) => end.error !== undefined) ? endLines(ends) : [error];
}

function isEnd(value: unknown): value is ServerEnd {
  const { name, error } = (value ?? {}) as { name?: unknown; error?: unknown };
  return typeof name === 'string' && (error === undefined || typeof error === 'string');
}
