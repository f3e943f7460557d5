import type { StatusReport } from '../daemon/status.ts';
import { chosenServer } from './chosen-servers.ts';
import {
  type DaemonRequest,
  errorIn,
  readReport,
  sendToDaemon,
  serverOf,
  theDaemon,
} from './daemon-request.ts';
import { EXIT } from './exit-codes.ts';
import { plainText } from './text.ts';

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
  const error = await errorIn(answer);
  if (error === undefined) {
    process.stdout.write(`${plainText(`${done} ${who ?? 'a server'}`)}\n`);
    return EXIT.ok;
  }
  process.stderr.write(
    errorLines(error)
      .map((line, at) => `${at === 0 ? 'ollana: ' : '  '}${plainText(line)}\n`)
      .join(''),
  );
  return EXIT.failed;
}

/** What the daemon says about several servers in one line, `WHAT; NAME: WHY; NAME: WHY`, a line each. Pure. */
export function errorLines(error: string): string[] {
  return error.split(/; (?=[^;:\s][^;:]{0,80}(?::\d{1,5})?: )/);
}
