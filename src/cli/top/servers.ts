import { byteText } from '../byte-text.ts';
import type { FlexColumn } from './fit.ts';
import { type KnownServer, workAt } from './known.ts';

/** One line a server. */
export const SERVER_COLUMNS: readonly FlexColumn<KnownServer>[] = [
  { title: 'SERVER', min: 8, max: 28, rank: 0, align: 'left', cell: ({ name }) => name },
  { title: 'VERDICT', min: 13, max: 13, rank: 1, align: 'left', cell: ({ verdict }) => verdict },
  { title: 'OLLAMA', min: 7, max: 10, rank: 4, align: 'left', cell: ({ version }) => version ?? '-' },
  { title: 'LOADED', min: 6, max: 6, rank: 5, align: 'right', cell: ({ loaded }) => String(loaded.length) },
  { title: 'RUN', min: 3, max: 4, rank: 0, align: 'right', cell: (server) => String(workAt(server).active) },
  {
    title: 'QUEUE',
    min: 5,
    max: 5,
    rank: 0,
    align: 'right',
    cell: ({ load }) => String(load.queued ?? '-'),
  },
  { title: 'TOK/S', min: 6, max: 6, rank: 2, align: 'right', cell: (server) => speedText(speedAt(server)) },
  { title: 'FREE', min: 11, max: 11, rank: 3, align: 'right', cell: freeMemory },
  {
    title: 'ADDRESS',
    min: 21,
    max: 30,
    rank: 6,
    align: 'left',
    cell: ({ url }) => url.replace(/^https?:\/\//, ''),
  },
];

/** In what order they are shown where there is no room for all: those at work, those with trouble, the rest. Pure. */
export function rankOf(server: KnownServer): number {
  const { active, queued } = workAt(server);
  if (active + queued > 0) return 0;
  return server.verdict === 'reliable' ? 2 : 1;
}

/** Tokens a second that one request gets of the model most at work there, else of the last or the fastest; null: not known. */
function speedAt({ load, lastPerS }: KnownServer): number | null {
  const known = load.busy.filter(({ decodePerS }) => typeof decodePerS === 'number');
  const [most] = [...known].sort((a, b) => b.active - a.active || (b.decodePerS ?? 0) - (a.decodePerS ?? 0));
  return most && most.active > 0 ? most.decodePerS : (lastPerS ?? most?.decodePerS ?? null);
}

/** What is free for models: of the GPUs where they tell, else of the machine. */
function freeMemory({ machine }: KnownServer): string {
  const free = (machine?.gpus ?? []).map(({ freeBytes }) => freeBytes);
  const known = free.filter((bytes) => bytes !== null);
  if (known.length > 0) return `${byteText(known.reduce((sum, bytes) => sum + bytes, 0))} GPU`;
  return machine?.memory ? `${byteText(machine.memory.freeBytes)} RAM` : '-';
}

/** `34.5`, `340`; `-` where it is not known. Pure. */
export function speedText(perS: number | null | undefined): string {
  if (typeof perS !== 'number') return '-';
  return perS.toFixed(perS < 99.95 ? 1 : 0);
}
