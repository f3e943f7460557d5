import { modelKey, shownModel } from '../../ollama/names.ts';
import { byteText } from '../byte-text.ts';
import type { FlexColumn } from './fit.ts';
import { type Known, type KnownServer, lastPerS } from './known.ts';
import { speedText } from './servers.ts';

/** A model that is in a server's memory, or wanted there. */
export interface ModelRow {
  readonly name: string;
  readonly active: number;
  readonly queued: number;
  /** Requests that run at once, over all servers that it is loaded or at work on. */
  readonly slots: number;
  /** Tokens a second, of the fastest server; null: not known yet. */
  readonly decodePerS: number | null;
  /** Bytes in GPUs, over all servers; null where nobody tells. */
  readonly vram: number | null;
  /** Names of the servers that hold it in memory; those that load it now say so. */
  readonly on: readonly string[];
}

/** One line a model. */
export const MODEL_COLUMNS: readonly FlexColumn<ModelRow>[] = [
  { title: 'MODEL', min: 12, max: 44, rank: 0, align: 'left', cell: ({ name }) => name },
  { title: 'RUN', min: 3, max: 4, rank: 0, align: 'right', cell: ({ active }) => String(active) },
  { title: 'QUEUE', min: 5, max: 5, rank: 0, align: 'right', cell: ({ queued }) => String(queued) },
  { title: 'SLOTS', min: 5, max: 5, rank: 3, align: 'right', cell: ({ slots }) => String(slots || '-') },
  { title: 'TOK/S', min: 6, max: 6, rank: 2, align: 'right', cell: (row) => speedText(row.decodePerS) },
  {
    title: 'VRAM',
    min: 7,
    max: 7,
    rank: 4,
    align: 'right',
    cell: ({ vram }) => (vram === null ? '-' : byteText(vram)),
  },
  { title: 'LOADED ON', min: 12, max: 80, rank: 1, align: 'left', cell: ({ on }) => on.join(', ') || '-' },
];

/** The models that are in memory or wanted, those at work first. Pure. */
export function modelRows(servers: readonly KnownServer[], known: Known): readonly ModelRow[] {
  const rows = new Map<string, ModelRow>();
  const add = (name: string, more: (row: ModelRow) => Partial<ModelRow>) => {
    const key = modelKey(name);
    const last = () => lastPerS(known, ({ model }) => model !== null && modelKey(model) === key);
    const row = rows.get(key) ?? { ...NOTHING, name: shownModel(key), decodePerS: last() };
    rows.set(key, { ...row, ...more(row) });
  };
  for (const { name, loaded, load } of servers) {
    const inMemory = new Set(loaded.map((one) => modelKey(one.name)));
    for (const one of loaded)
      add(one.name, ({ vram, on }) => ({
        vram: one.sizeVram === null ? vram : (vram ?? 0) + one.sizeVram,
        on: [...on, name],
      }));
    for (const one of load.busy) {
      const isIn = inMemory.has(modelKey(one.model));
      // That its speed is known from earlier is no work.
      if (!isIn && !one.loading && one.active + one.queued === 0) continue;
      add(one.model, (row) => ({
        active: row.active + one.active,
        queued: row.queued + one.queued,
        slots: row.slots + one.slots,
        decodePerS: Math.max(row.decodePerS ?? 0, one.decodePerS ?? 0) || null,
        on: one.loading && !isIn ? [...row.on, `${name} (loading)`] : row.on,
      }));
    }
  }
  const work = ({ active, queued }: ModelRow) => active + queued;
  return [...rows.values()].sort((a, b) => work(b) - work(a) || (a.name < b.name ? -1 : 1));
}

const NOTHING: ModelRow = {
  name: '',
  active: 0,
  queued: 0,
  slots: 0,
  decodePerS: null,
  vram: null,
  on: [],
};
