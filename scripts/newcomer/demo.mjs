import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';

/**
 * Signals within this many milliseconds of each other count as one: a terminal signals the whole foreground group,
 * and npm passes on what it got, so one Ctrl-C arrives here two or three times, while a second signal to ollana
 * means "at once". Longer than any of these detours, shorter than a person's second Ctrl-C.
 */
const SAME_SIGNAL_MS = 300;

/**
 * Runs `ollana demo` from the build until it ends; its exit code becomes this process's. The child gets a process
 * group of its own, so that it sees the signals that are passed on here and no others.
 */
export function startDemo(root, args) {
  const child = spawn(process.execPath, [join(root, 'dist', 'cli.js'), 'demo', ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: process.platform !== 'win32',
  });
  let last = Number.NEGATIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = performance.now();
      if (now - last > SAME_SIGNAL_MS) child.kill(signal);
      last = now;
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`ollana: the demo could not be started: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}
