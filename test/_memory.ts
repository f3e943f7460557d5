import { readFileSync, writeFileSync } from 'node:fs';

/** Why no test can see how much memory another process takes here. */
export const noMemory = process.platform === 'linux' ? undefined : 'memory is read from /proc';

/** Notes the resident memory of each process and resets its peak; the returned function tells how far each has grown, bytes. */
export function watchMemory(pids: readonly number[]): () => readonly number[] {
  const before = pids.map((pid) => {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
    return status(pid, 'VmRSS');
  });
  return () => pids.map((pid, i) => status(pid, 'VmHWM') - (before[i] ?? 0));
}

const status = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) *
  1024;
