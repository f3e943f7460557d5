import { systemClock } from '../clock.ts';
import { parseLogLevels } from '../config/log-level.ts';
import { ensurePrivateDir } from '../config/private-dir.ts';
import type { Surroundings } from '../config/surroundings.ts';
import type { ClientConfig, ServerConfig } from '../config.ts';
import { reportToParent, unwritableLog } from '../daemon/background.ts';
import type { Daemon } from '../daemon/daemon.ts';
import { claimPidFile } from '../daemon/pid-file.ts';
import { type Read, type Reading, Reloader } from '../daemon/reload.ts';
import { ServiceWord } from '../daemon/sd-notify.ts';
import { runningDaemons, writeState } from '../daemon/state-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { type AdjustableLog, createLog, type Log } from '../observe/log.ts';
import { EXIT } from './exit-codes.ts';
import { namePortHolder } from './port-holder.ts';
import { refuseSecond } from './refuse-second.ts';
import { restartText } from './restart-text.ts';
import { untilTold } from './until-told.ts';

type Config = ClientConfig | ServerConfig;

/**
 * Runs a daemon in this process until it is told to end; returns the exit code. `read` resolves the configuration anew,
 * for when it is told to read it again. When this process was started in
 * the background, its parent hears about the start. Throws the errors of starting, OLLANA_PORT_IN_USE with the
 * holder's name.
 */
export async function runDaemon(
  start: Reading,
  { env, platform }: Pick<Surroundings, 'env' | 'platform'>,
  read: Read,
): Promise<number> {
  const undo: (() => void)[] = [];
  const undoAll = () => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const log = openDaemonLog(start.config);
    undo.push(() => log.flush());
    endOnCrash(log, undoAll);
    const { mode, background } = start.config;
    const restartBy = restartText({ mode, background, env, platform, pid: process.pid });
    const reloader = new Reloader({ start, read, restartBy, log });
    reloader.onChange(({ logLevel }) => log.setLevels(parseLogLevels(logLevel)));
    const { config } = reloader;
    const daemon = await startNamed(config, log, reloader);
    // Listening for signals before anybody knows our pid: none may find us without, and leave our files behind.
    const told = untilTold(daemon, log, reloader);
    await settleIn(config, daemon, log, undo);
    await reportToParent({ kind: 'ready', url: daemon.url }, env);
    const word = new ServiceWord({ env, clock: systemClock });
    undo.push(() => word[Symbol.dispose]());
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => word.stopping());
    word.ready();
    return await told;
  } catch (error) {
    const code = error instanceof OllanaError ? error.code : 'OLLANA_START_FAILED';
    await reportToParent({ kind: 'failed', code, message: reasonOf(error) }, env);
    throw error;
  } finally {
    undoAll();
  }
}

/**
 * The log that a configuration asks for; also makes the data directory, where its file is by default.
 * Throws OLLANA_START_FAILED.
 */
export function openDaemonLog({ dataDir, logLevel, logFormat, logFile }: Config): AdjustableLog {
  ensurePrivateDir(dataDir, 'give another --data-dir DIR');
  const file = logFile === undefined ? {} : { file: logFile };
  const isWatched = logFile === undefined && process.stderr.isTTY === true;
  const pretty = logFormat === 'auto' ? isWatched : logFormat === 'pretty';
  try {
    return createLog({ levels: parseLogLevels(logLevel), ...file, pretty });
  } catch (error) {
    throw unwritableLog(logFile ?? 'stderr', error);
  }
}

async function startNamed(config: Config, log: Log, reloader: Reloader): Promise<Daemon> {
  refuseSecond(config);
  try {
    // Loaded on demand: `--help` and `status` need nothing of it.
    if (config.mode === 'server')
      return await (await import('../daemon/server.ts')).startServer(config, log, { reloader });
    return await (await import('../daemon/client.ts')).startClient(config, log, { reloader });
  } catch (error) {
    throw await namePortHolder(error, config);
  }
}

/** Leaves the pid file and the state file; a daemon that cannot is stopped again. */
async function settleIn(config: Config, daemon: Daemon, log: Log, undo: (() => void)[]): Promise<void> {
  try {
    if (config.writesPidFile) {
      const pidFile = claimPidFile(config.pidFile);
      undo.push(() => pidFile.release());
    }
    const { mode } = daemon;
    const other = runningDaemons(config.dataDir).find((running) => running.mode === mode);
    if (other)
      log.warn('status shows the ollana that was here first; give a --data-dir to see this one', {
        ...other,
      });
    else leaveState(config, daemon, log, undo);
  } catch (error) {
    await daemon.stop();
    throw error instanceof OllanaError
      ? error
      : new OllanaError(
          'OLLANA_START_FAILED',
          `cannot use ${config.dataDir} (${reasonOf(error)}): give --data-dir DIR`,
          {
            cause: error,
          },
        );
  }
}

/** Leaves word for other commands. Without it they do not find this daemon, which serves all the same. */
function leaveState({ dataDir }: Config, daemon: Daemon, log: Log, undo: (() => void)[]): void {
  const { url, mode, isPassing } = daemon;
  try {
    undo.push(writeState(dataDir, { pid: process.pid, url, mode, startedAt: daemon.status().startedAt }));
  } catch (error) {
    const message = `cannot write to ${dataDir}: other commands do not find this ollana, and what it learns is lost`;
    if (!isPassing) log.error(message, { reason: reasonOf(error) });
  }
}

/** A fault nobody handled leaves the process in an unknown state: say so, tidy up, end. */
function endOnCrash(log: Log, undoAll: () => void): void {
  const crash = (kind: string) => (error: unknown) => {
    log.error('unhandled failure, ending', {
      kind,
      reason: reasonOf(error),
      stack: (error as Error | null)?.stack,
    });
    undoAll();
    process.exit(EXIT.failed);
  };
  process.on('uncaughtException', crash('exception')).on('unhandledRejection', crash('rejection'));
}
