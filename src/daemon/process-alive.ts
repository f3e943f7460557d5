import { readFileSync } from 'node:fs';

/**
 * Whether `pid` is a running ollana other than this process. A dead process leaves its pid to others, so where
 * the system tells what a process runs (Linux), one that is no ollana does not count; elsewhere any live one does.
 */
export function isRunningOllana(pid: number): boolean {
  // In a container every run may get the same pid: a file that names us is from an earlier life.
  if (pid === process.pid || !isAlive(pid)) return false;
  const command = commandLine(pid);
  return command === undefined || command.includes('ollana');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // No /proc here, or the process is not ours to look at.
    return undefined;
  }
}
