import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';

/** Time that processors have spent since the system started, in any unit. */
export interface CpuTimes {
  readonly busy: number;
  readonly all: number;
}

/** The times of all processors together; undefined where the system does not tell. Never rejects. */
export async function cpuTimes(): Promise<CpuTimes | undefined> {
  // There `os.cpus()` also asks each core for its clock rate, which takes 10 ms for each that sleeps.
  if (process.platform === 'linux') return readProcStat(await readFile('/proc/stat', 'utf8').catch(() => ''));
  const times = cpus().map((cpu) => cpu.times);
  const idle = times.reduce((sum, one) => sum + one.idle, 0);
  const busy = times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, 0);
  return busy + idle > 0 ? { busy, all: busy + idle } : undefined;
}

/** The first line of `/proc/stat`: user nice system idle iowait irq softirq steal. Pure. */
export function readProcStat(text: string): CpuTimes | undefined {
  const line = /^cpu +(.+)$/m.exec(text)?.[1];
  const values = line?.split(/ +/).slice(0, 8).map(Number);
  if (!values || values.length < 5 || values.some((value) => !Number.isFinite(value))) return undefined;
  const all = values.reduce((sum, value) => sum + value, 0);
  return { busy: all - (values[3] ?? 0) - (values[4] ?? 0), all };
}

/** How busy the processors were between two looks, 0..1; null where that cannot be told. Pure. */
export function loadBetween(before: CpuTimes | undefined, now: CpuTimes | undefined): number | null {
  const all = (now?.all ?? 0) - (before?.all ?? 0);
  if (!before || !now || all <= 0) return null;
  return Math.round(Math.min(1, Math.max(0, (now.busy - before.busy) / all)) * 100) / 100;
}
