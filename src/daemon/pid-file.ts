import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { isRunningOllana } from './process-alive.ts';

/** A pid file that is ours until released. */
export interface PidFile {
  /** Removes the file if it still names us; harmless when repeated. */
  release(): void;
}

/** The pid of the live ollana that holds the file, if one does. Throws OLLANA_BAD_OPTION as `claimPidFile`. */
export function pidFileHolder(path: string): number | undefined {
  const pid = readPid(path);
  return pid !== undefined && isRunningOllana(pid) ? pid : undefined;
}

/**
 * Writes `pid` to a file that must not exist, mode 0600; a file left by a dead process is replaced.
 * Throws OLLANA_ALREADY_RUNNING (a live ollana holds it), OLLANA_BAD_OPTION (the file holds something else than
 * a pid, so it is someone's and stays), OLLANA_START_FAILED (it cannot be written).
 */
export function claimPidFile(path: string, pid: number = process.pid): PidFile {
  ensurePrivateDir(dirname(path), 'give another --pid FILE');
  // Twice: the second try is after removing a stale file. A third would mean that others fight for it.
  for (let attempt = 1; ; attempt++) {
    if (create(path, pid)) return { release: () => releasePidFile(path, pid) };
    const holder = pidFileHolder(path);
    if (holder !== undefined || attempt === 2) throw heldBy(holder, path);
    removeIfThere(path);
  }
}

/** The error for a pid file that a live ollana holds. */
export function heldBy(holder: number | undefined, path: string, url?: string): OllanaError {
  const facts = [holder === undefined ? '' : `pid ${holder}`, url ?? '', `pid file ${path}`];
  return new OllanaError(
    'OLLANA_ALREADY_RUNNING',
    `ollana is already running (${facts.filter((fact) => fact !== '').join(', ')}): stop it, or give --pid FILE and --port N for another`,
  );
}

function create(path: string, pid: number): boolean {
  try {
    // O_EXCL: never through a link that someone laid there, never over another's file.
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, `${pid}\n`);
    closeSync(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new OllanaError(
      'OLLANA_START_FAILED',
      `cannot write the pid file ${path} (${reasonOf(error)}): give another --pid FILE`,
      { cause: error },
    );
  }
}

function releasePidFile(path: string, pid: number): void {
  try {
    if (readPid(path) === pid) removeIfThere(path);
  } catch {
    // Somebody put something else there: not ours to remove, and no reason to fail while ending.
  }
}

/** Undefined: no file, or an empty one (a crash between creating and writing). */
function readPid(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OllanaError(
      'OLLANA_START_FAILED',
      `cannot read the pid file ${path} (${reasonOf(error)}): give another --pid FILE`,
      { cause: error },
    );
  }
  if (text === '') return undefined;
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  // Zero and what does not fit would make kill() mean a process group.
  if (pid > 0 && pid < 2 ** 31) return pid;
  throw new OllanaError(
    'OLLANA_BAD_OPTION',
    `${path} is no pid file and stays as it is: give another --pid FILE`,
  );
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
