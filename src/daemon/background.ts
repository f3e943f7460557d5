import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import { type ErrorCode, OllanaError, reasonOf } from '../errors.ts';

/** Tells the detached process that the one at the other end of its IPC channel waits for a word. */
const BACKGROUND_ENV = 'OLLANA_INTERNAL_BACKGROUND';

/** Whether this process is the detached one. */
export const isInBackground = (env: Readonly<Record<string, string | undefined>>): boolean =>
  env[BACKGROUND_ENV] === '1';

/** A start takes a second; one that has not said anything after this long never will. */
const START_LIMIT_MS = 30_000;

/** What the detached process says, once. */
export type BackgroundReport =
  | { readonly kind: 'ready'; readonly url: string }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

export interface BackgroundPlan {
  /** Node's own arguments, the script, and the arguments of ollana without the one that asked for this. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Both output streams go here, appended; made with mode 0600. */
  readonly logFile: string;
  readonly clock: Clock;
}

/**
 * Starts this program again, detached from the terminal, and waits until it listens or says why not.
 * Throws what the detached process reported (same code and message), or OLLANA_START_FAILED when it ended or
 * stayed silent for 30 s (it is then ended) and when the log file cannot be written.
 */
export async function startInBackground(plan: BackgroundPlan): Promise<{ pid: number; url: string }> {
  const log = openLog(plan.logFile);
  const child = spawn(process.execPath, plan.args, {
    detached: true,
    windowsHide: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...plan.env, [BACKGROUND_ENV]: '1' },
  });
  closeSync(log);
  try {
    const report = await firstReport(child, plan);
    if (report.kind === 'failed') throw new OllanaError(report.code, report.message);
    return { pid: child.pid ?? 0, url: report.url };
  } finally {
    child.removeAllListeners();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function firstReport(child: ChildProcess, { clock, logFile }: BackgroundPlan): Promise<BackgroundReport> {
  const failed = (what: string) => new OllanaError('OLLANA_START_FAILED', `${what}: see ${logFile}`);
  return new Promise((resolve, reject) => {
    const giveUp = (why: string) => {
      child.kill('SIGKILL');
      settled(reject)(failed(`${why}, so the background process was ended`));
    };
    // The child has a session of its own: a Ctrl-C here does not reach it, and would leave it running unnoticed.
    const interrupted = () => giveUp('interrupted while starting');
    const cancel = clock.after(START_LIMIT_MS, () => giveUp(`not ready after ${START_LIMIT_MS / 1_000} s`));
    const settled =
      <T>(settle: (value: T) => void) =>
      (value: T) => {
        cancel();
        process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
        settle(value);
      };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    child.once(
      'message',
      settled((message) => resolve(message as BackgroundReport)),
    );
    child.once(
      'error',
      settled((error) => reject(failed(`cannot start in the background (${reasonOf(error)})`))),
    );
    child.once('exit', (code, signal) =>
      settled(reject)(
        failed(`the background process ended with ${signal ?? `code ${code}`} before it was ready`),
      ),
    );
  });
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw unwritableLog(path, error);
  }
}

/** The error for a log file that cannot be opened. */
export function unwritableLog(path: string, cause: unknown): OllanaError {
  const message = `cannot write the log file ${path} (${reasonOf(cause)}): give another --log-file FILE`;
  return new OllanaError('OLLANA_START_FAILED', message, { cause });
}

/**
 * In the detached process: says the one word that its parent waits for and lets go of it. A no-op in a process
 * that was not started by `startInBackground`.
 */
export function reportToParent(
  report: BackgroundReport,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { send } = process;
  if (!isInBackground(env) || !send || !process.connected) return Promise.resolve();
  return new Promise((resolve) => {
    send.call(process, report, () => {
      if (process.connected) process.disconnect();
      resolve();
    });
  });
}
