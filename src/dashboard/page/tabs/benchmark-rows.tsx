import type { BenchmarkRow, BenchmarkRun } from '../../../observe/benchmark/run.ts';
import { duration, rate } from '../format.tsx';
import { Badge, type Column, Table, type Tone } from '../parts.tsx';

const STATES: Readonly<Record<BenchmarkRow['state'], readonly [tone: Tone, word: string]>> = {
  waiting: ['plain', 'waiting'],
  measuring: ['warn', 'measuring'],
  done: ['good', 'measured'],
  failed: ['bad', 'failed'],
  cancelled: ['warn', 'partial'],
};

const COLUMNS: readonly Column<BenchmarkRow>[] = [
  { title: 'Server', cell: ({ server }) => server },
  { title: 'Model', cell: ({ model }) => model },
  { title: 'First token', right: true, cell: ({ firstTokenMs }) => duration(firstTokenMs) },
  { title: 'Reads', right: true, cell: ({ prefillPerS }) => rate(prefillPerS) },
  { title: 'Writes', right: true, cell: ({ decodePerS }) => rate(decodePerS) },
  { title: 'Load', right: true, cell: ({ loadMs }) => duration(loadMs) },
  { title: 'State', cell: (row) => <State row={row} /> },
];

function State({ row: { state, error, shared } }: { readonly row: BenchmarkRow }) {
  const [tone, word] = STATES[state];
  return (
    <>
      <Badge tone={tone}>{word}</Badge>
      {shared && <span class="help">others used it at the same time: it can do more</span>}
      {error !== null && <span class="help">{error}</span>}
    </>
  );
}

/** What a benchmark has come to, a line for each model at a server. */
export function BenchmarkRows({ run, caption }: { readonly run: BenchmarkRun; readonly caption: string }) {
  return (
    <Table
      caption={caption}
      columns={COLUMNS}
      rows={run.rows}
      keyOf={({ deviceId, model }) => `${deviceId} ${model}`}
    />
  );
}
