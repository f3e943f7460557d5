import { isReached } from '../../../fleet/verdict-rules.ts';
import { type Finding, gigabytes, percent, shown, word } from '../finding.ts';
import { type Check, FACT_TIMES, type HealthServer, SLOW_TIMES } from '../snapshot.ts';

/** Part of main memory below which a machine begins to swap; and above which it is well again. */
const LOW_MEMORY = { begins: 0.05, ends: 0.1 };
/** Part of a model in the memory of the GPU below which it is noticeably slower. */
const MOSTLY = 0.95;
/** Free space on the models' disk: below the first something is to be done, below the second nothing can be pulled. */
const LOW_DISK = { begins: 20e9, ends: 25e9, full: 2e9 };
/** A small disk is nearly full at this part of it, if that is less. */
const LOW_DISK_PART = 0.05;

/** Main memory runs out, or models do not fit into the GPU and are run by the processor in part. */
export const memoryPressure: Check = {
  id: 'memory-pressure',
  ...SLOW_TIMES,
  find: ({ servers }, held) =>
    servers
      .filter(({ verdict }) => isReached(verdict))
      .flatMap((server) => [...lowMemory(server, held(server.deviceId)), ...spilled(server)]),
};

function lowMemory({ machine, name, deviceId, ps }: HealthServer, isHeld: boolean): Finding[] {
  const memory = machine?.memory;
  if (!memory) return [];
  const free = memory.freeBytes / memory.totalBytes;
  if (free >= (isHeld ? LOW_MEMORY.ends : LOW_MEMORY.begins)) return [];
  const [loaded] = ps ?? [];
  return [
    {
      subject: deviceId,
      severity: free < LOW_MEMORY.begins / 2 ? 'critical' : 'warning',
      title: `${shown(name)} runs out of memory`,
      seen: `${gigabytes(memory.freeBytes)} of ${gigabytes(memory.totalBytes)} free (${percent(free)})`,
      remedy: loaded
        ? { command: `ollana unload ${word(loaded.name)} --on ${word(name)}`, on: null }
        : { command: 'ps aux --sort=-rss | head', on: shown(name) },
      resolvedWhen: `${percent(LOW_MEMORY.ends)} of it are free`,
      server: name,
      deviceId,
    },
  ];
}

function spilled({ ps, name, deviceId }: HealthServer): Finding[] {
  const rows = ps ?? [];
  return rows.flatMap(({ key, name: model, raw: { size, size_vram: inGpu } }): Finding[] => {
    // A machine without a GPU holds nothing there, and knows it.
    if (typeof size !== 'number' || typeof inGpu !== 'number' || inGpu <= 0 || size <= 0) return [];
    if (inGpu >= size * MOSTLY) return [];
    const other = rows.find((row) => row.key !== key);
    return [
      {
        subject: `${deviceId}/${key}`,
        severity: 'warning',
        title: `${shown(model)} does not fit into the GPU of ${shown(name)}`,
        seen: `${percent(1 - inGpu / size)} of its ${gigabytes(size)} are in main memory, which is many times slower`,
        remedy: {
          command: `ollana unload ${word((other ?? { name: model }).name)} --on ${word(name)}`,
          on: null,
        },
        resolvedWhen: 'all of it is in the GPU, or it is unloaded',
        server: name,
        deviceId,
        model,
      },
    ];
  });
}

/** The disk with the models is nearly full. */
export const diskFull: Check = {
  id: 'disk-nearly-full',
  ...FACT_TIMES,
  find: ({ servers, hour }, held) =>
    servers.flatMap((server): Finding[] => {
      const { machine, name, deviceId } = server;
      const disk = machine?.disk;
      if (!disk) return [];
      const limit = held(deviceId) ? LOW_DISK.ends : LOW_DISK.begins;
      const share = (LOW_DISK_PART * disk.totalBytes * limit) / LOW_DISK.begins;
      if (disk.freeBytes >= Math.min(limit, Math.max(share, LOW_DISK.full))) return [];
      const idle = largestIdle(server, (key) => hour.models.has(key));
      return [
        {
          subject: deviceId,
          severity: disk.freeBytes < LOW_DISK.full ? 'critical' : 'warning',
          title: `the disk with the models of ${shown(name)} is nearly full`,
          seen: `${gigabytes(disk.freeBytes)} of ${gigabytes(disk.totalBytes)} free${idle ? `; ${shown(idle)} is large and was not used in the last hour` : ''}`,
          remedy: idle
            ? { command: `ollana rm ${word(idle)} --on ${word(name)}`, on: null }
            : { command: 'df -h', on: shown(name) },
          resolvedWhen: `${gigabytes(LOW_DISK.ends)} are free, or a sixteenth of a small disk`,
          server: name,
          deviceId,
        },
      ];
    }),
};

/** The largest model that is neither loaded nor in use. */
function largestIdle(
  { tags, loadedKeys }: HealthServer,
  isUsed: (key: string) => boolean,
): string | undefined {
  const sizeOf = (raw: Readonly<Record<string, unknown>>) => (typeof raw.size === 'number' ? raw.size : 0);
  return (tags ?? [])
    .filter(({ key }) => !loadedKeys.has(key) && !isUsed(key))
    .reduce<{ name: string; size: number } | undefined>((best, { name, raw }) => {
      const size = sizeOf(raw);
      return best && best.size >= size ? best : { name, size };
    }, undefined)?.name;
}
