import { systemClock } from '../clock.ts';
import { OPTIONS } from '../config/options.ts';
import { ensurePrivateDir } from '../config/private-dir.ts';
import type { ClientConfig, ServerConfig } from '../config.ts';
import { startInBackground } from '../daemon/background.ts';
import { EXIT } from './exit-codes.ts';
import { refuseSecond } from './refuse-second.ts';

/** How ollana was called, to call it once more. */
export interface Call {
  readonly command: 'client' | 'serve';
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs the daemon in a process of its own and returns the exit code once that listens; says where on stdout.
 * Throws OLLANA_ALREADY_RUNNING and whatever the start there failed with.
 */
export async function detach(config: ClientConfig | ServerConfig, call: Call): Promise<number> {
  refuseSecond(config);
  ensurePrivateDir(config.dataDir, 'give another --data-dir DIR');
  const logFile = config.logFile ?? '';
  const { pid, url } = await startInBackground({
    args: [...process.execArgv, process.argv[1] ?? '', ...backgroundArgs(call, logFile, config.pidFile)],
    env: call.env,
    logFile,
    clock: systemClock,
  });
  const name = call.command === 'serve' ? 'ollana serve' : 'ollana';
  process.stdout.write(`${name} listening on ${url} (pid ${pid}, log ${logFile})\n`);
  return EXIT.ok;
}

/** The same call without the request to detach, and with both files named, so that `ps` shows them. Pure. */
export function backgroundArgs(
  { command, args }: Omit<Call, 'env'>,
  logFile: string,
  pidFile: string,
): string[] {
  const { flag, short } = OPTIONS.background;
  // No value can look like this flag: one that begins with a dash is refused unless written --key=-value.
  const rest = args.filter(
    (arg) => arg !== `-${short}` && arg !== `--${flag}` && !arg.startsWith(`--${flag}=`),
  );
  return [...(command === 'serve' ? ['serve'] : []), ...rest, `--log-file=${logFile}`, `--pid=${pidFile}`];
}
