import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second in /proc: fixed at 100 for user space on every Linux architecture Node runs on. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU, user and system, that a process has used so far. */
export function cpuSeconds(pid: number): number {
  try {
    // Nanoseconds, but one file per thread; `stat` has only hundredths of a second.
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.reduce((sum, thread) => sum + onCpu(`/proc/${pid}/task/${thread}/schedstat`), 0);
  } catch {
    // A kernel without scheduler statistics.
    return statSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  }
}

/** Resident memory of a process, MB (10^6 bytes). */
export function residentMb(pid: number): number {
  return statusMb(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** User plus system time in the text of /proc/<pid>/stat, seconds. Pure. */
export function statSeconds(stat: string): number {
  // The second field is the command in brackets, which may hold spaces and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** VmRSS in the text of /proc/<pid>/status, MB (10^6 bytes). Pure. */
export function statusMb(status: string): number {
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
}

function onCpu(path: string): number {
  return Number(readFileSync(path, 'utf8').split(' ', 1)[0]) / 1e9;
}
