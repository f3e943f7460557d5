import type { ServerStatus } from '../daemon/status.ts';
import { byteText } from './byte-text.ts';
import { latency } from './status-table.ts';
import { plainText, wrap } from './text.ts';

const COLUMNS = 80;
/** A machine may have many cards. */
const MOST_LINES = 12;

/** What each server tells of its machine, as lines of at most 80 columns. Pure. */
export function machineLines(servers: readonly ServerStatus[]): string[] {
  return servers.flatMap((server) => ['', ...ofServer(server)]);
}

function ofServer({ name, version, latencyMs, machine }: ServerStatus): string[] {
  const head = `${plainText(name)}: Ollama ${version ?? 'unknown'}, round trip ${latency(latencyMs)}`;
  if (!machine) return [...wrap(head, COLUMNS), '  tells nothing of its machine: `ollana serve` there would'];
  const { cpu, memory, disk, link, parallel, settings } = machine;
  const rows = [
    `ollana ${machine.ollana ?? 'unknown'}, ${machine.system ?? 'system unknown'}`,
    `CPU ${cpu.name ?? 'unknown'}, ${cpu.cores ?? '?'} cores, ${percent(cpu.load)} busy`,
    `memory ${room(memory)}; models' disk ${room(disk)}`,
    ...(machine.gpus.length > 0 ? machine.gpus.map(gpuLine) : ['GPU: none is known']),
    `link ${link ? `${link.name}, ${speed(link.mbps)}` : 'unknown'}`,
    `runs ${parallel ? `${parallel.value} at once (${parallel.source})` : 'an unknown number at once'}`,
    settings === null
      ? 'settings of Ollama cannot be read'
      : Object.entries(settings)
          .map(([key, value]) => `${key}=${value}`)
          .join(' ') || 'no settings of Ollama are set',
  ];
  const lines = rows.flatMap((row) => wrap(plainText(row), COLUMNS - 2).map((line) => `  ${line}`));
  const shown = lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), '  ...'] : lines;
  return [...wrap(head, COLUMNS), ...shown];
}

type Card = NonNullable<ServerStatus['machine']>['gpus'][number];

function gpuLine({ name, totalBytes, freeBytes, load, temperatureC, powerW, powerLimitW }: Card): string {
  const known = [
    totalBytes === null ? undefined : `${byteText(totalBytes)} VRAM`,
    freeBytes === null ? undefined : `${byteText(freeBytes)} free`,
    load === null ? undefined : `${percent(load)} busy`,
    temperatureC === null ? undefined : `${temperatureC} °C`,
    powerW === null ? undefined : `${powerW}${powerLimitW === null ? '' : ` of ${powerLimitW}`} W`,
  ].filter((one) => one !== undefined);
  return `GPU ${name ?? 'of unknown name'}${known.length > 0 ? `: ${known.join(', ')}` : ''}`;
}

function room(of: NonNullable<ServerStatus['machine']>['memory']): string {
  return of ? `${byteText(of.freeBytes)} of ${byteText(of.totalBytes)} free` : 'unknown';
}

function percent(part: number | null): string {
  return part === null ? 'unknown %' : `${Math.round(part * 100)} %`;
}

function speed(mbps: number | null): string {
  if (mbps === null) return 'speed unknown';
  return mbps >= 1000 ? `${mbps / 1000} Gb/s` : `${mbps} Mb/s`;
}
