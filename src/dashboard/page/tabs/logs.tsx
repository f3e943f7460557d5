import { useEffect, useState } from 'preact/hooks';
import type { TraceView } from '../../view.ts';
import { count, dayTime, duration, NONE } from '../format.tsx';
import { useJson } from '../hooks.tsx';
import { Badge, type Column, Empty, Failure, Table, Waiting } from '../parts.tsx';
import type { Known } from '../stream.tsx';
import { toneOf } from './recent.tsx';
import { Why } from './why.tsx';

const STATUSES = ['completed', 'retried', 'failed', 'refused', 'incomplete', 'client_disconnected'];
const SPANS = ['1h', '24h', '7d', '30d'];
const NO_FILTER = { search: '', model: '', server: '', status: '', since: '' };
type Filter = typeof NO_FILTER;

/** The requests that were kept, with search and filter; each says why it went where it went. */
export function Logs({ known }: { readonly known: Known }) {
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  const [open, setOpen] = useState('');
  // Typing asks for nothing until it pauses; what has ended is written within a second.
  const asked = useLater(filter, 250);
  const newest = useLater(known.recent?.[0]?.id, 1200);
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ''));
  const { data, error } = useJson<{ traces: readonly TraceView[] }>(
    `/dashboard/api/traces?${query}`,
    10_000,
    newest,
  );
  const isFiltered = Object.values(filter).some((value) => value !== '');
  return (
    <>
      <Form filter={filter} change={setFilter} />
      <Failure error={error} />
      {!data && !error && <Waiting />}
      {data?.traces.length === 0 && (
        <Empty title={isFiltered ? 'No request is like this' : 'No request has been kept yet'}>
          <p>{isFiltered ? 'Take a filter away.' : 'The overview shows how to send one.'}</p>
        </Empty>
      )}
      {data && data.traces.length > 0 && (
        <Table
          caption="Requests"
          columns={columns(open, setOpen)}
          rows={data.traces}
          keyOf={({ request_id }) => request_id}
          below={(row) => (row.request_id === open ? <Why trace={row} /> : null)}
        />
      )}
    </>
  );
}

function columns(open: string, setOpen: (id: string) => void): readonly Column<TraceView>[] {
  return [
    {
      title: 'Request',
      cell: ({ request_id: id }) => (
        <button
          type="button"
          class="why"
          aria-expanded={id === open}
          aria-label={`Why request ${id.slice(0, 8)}`}
          onClick={() => setOpen(id === open ? '' : id)}
        >
          {id.slice(0, 8)}
        </button>
      ),
    },
    { title: 'Time', cell: ({ timestamp }) => dayTime(timestamp * 1000) },
    { title: 'Status', cell: ({ status }) => <Badge tone={toneOf(status)}>{status}</Badge> },
    { title: 'Model', cell: ({ model }) => model ?? NONE },
    { title: 'Server', cell: ({ node_id }) => node_id ?? NONE },
    { title: 'App', cell: ({ app }) => app ?? NONE },
    { title: 'First byte', right: true, cell: (row) => duration(row.time_to_first_token_ms) },
    { title: 'Whole', right: true, cell: ({ latency_ms }) => duration(latency_ms) },
    { title: 'Tokens', right: true, cell: ({ completion_tokens }) => count(completion_tokens) },
  ];
}

function Form({ filter, change }: { readonly filter: Filter; readonly change: (filter: Filter) => void }) {
  const text = (name: 'search' | 'model' | 'server', title: string) => (
    <label class="field">
      <span>{title}</span>
      <input
        type="search"
        value={filter[name]}
        onInput={({ currentTarget }) => change({ ...filter, [name]: currentTarget.value })}
      />
    </label>
  );
  const choice = (name: 'status' | 'since', title: string, words: readonly string[]) => (
    <label class="field">
      <span>{title}</span>
      <select
        value={filter[name]}
        onChange={({ currentTarget }) => change({ ...filter, [name]: currentTarget.value })}
      >
        <option value="">any</option>
        {words.map((word) => (
          <option key={word} value={word}>
            {name === 'since' ? `last ${word}` : word}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <search class="filter">
      {text('search', 'Search')}
      {text('model', 'Model')}
      {text('server', 'Server')}
      {choice('status', 'Status', STATUSES)}
      {choice('since', 'Time', SPANS)}
    </search>
  );
}

/** A value, when it has not changed for a while. */
function useLater<T>(value: T, ms: number): T {
  const [later, setLater] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLater(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return later;
}
