import { rate } from '../format.tsx';
import { serversIn } from '../hooks.tsx';
import { type Column, Command, Empty, Table } from '../parts.tsx';
import type { Known } from '../stream.tsx';
import { BenchmarkRuns } from './benchmark-runs.tsx';

interface Speed {
  readonly server: string;
  readonly model: string;
  readonly decode: number | null;
  readonly prefill: number | null;
}

const COLUMNS: readonly Column<Speed>[] = [
  { title: 'Server', cell: ({ server }) => server },
  { title: 'Model', cell: ({ model }) => model },
  { title: 'Writes', right: true, cell: ({ decode }) => rate(decode) },
  { title: 'Reads', right: true, cell: ({ prefill }) => rate(prefill) },
];

/** How fast the servers are, as learned from the requests that ran there, and as measured when somebody asks for it. */
export function Benchmarks({ known }: { readonly known: Known }) {
  const url = known.daemon?.url ?? '';
  const speeds = serversIn(known).flatMap(({ server, load }) =>
    (load?.busy ?? []).flatMap((row): Speed[] =>
      row.decodePerS === null
        ? []
        : [{ server: server.name, model: row.model, decode: row.decodePerS, prefill: row.prefillPerS }],
    ),
  );
  return (
    <>
      <h2>Speeds learned from requests</h2>
      {speeds.length > 0 ? (
        <Table
          caption="Speeds by server and model"
          columns={COLUMNS}
          rows={speeds}
          keyOf={({ server, model }) => `${server} ${model}`}
        />
      ) : (
        <Empty title="No speed is known yet">
          <p>Each request that ends tells one. Send some to the model and the server you want to know of:</p>
          <Command
            text={`curl ${url}/api/generate -H 'X-Ollana-Server: NAME' -d '{"model":"llama3.2","prompt":"Tell me about llamas."}'`}
            label="the request"
          />
        </Empty>
      )}
      <p class="muted">Nothing is run for these numbers: watching never costs GPU time.</p>
      <BenchmarkRuns known={known} />
    </>
  );
}
