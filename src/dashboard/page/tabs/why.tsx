import type { Considered } from '../../../routing/considered.ts';
import type { TraceView } from '../../view.ts';
import { count, duration, NONE } from '../format.tsx';
import { type Column, Command, Table } from '../parts.tsx';

const COLUMNS: readonly Column<Considered>[] = [
  { title: 'Server', cell: ({ server, chosen }) => (chosen ? `${server} (chosen)` : server) },
  { title: 'Wait', right: true, cell: ({ waitMs }) => duration(waitMs) },
  { title: 'Load', right: true, cell: ({ loadMs }) => duration(loadMs) },
  { title: 'Run', right: true, cell: ({ runMs }) => duration(runMs) },
  { title: 'Ends in', right: true, cell: ({ finishMs }) => duration(finishMs) },
  {
    title: 'State',
    cell: ({ free, warm, tier }) =>
      `${free ? 'free' : 'busy'}, ${warm ? 'loaded' : 'not loaded'}${tier === 0 ? '' : `, tier ${tier}`}`,
  },
];

/** Why a request went where it went. */
export function Why({ trace }: { readonly trace: TraceView }) {
  return (
    <div class="why-box">
      <p>
        {trace.path} by {trace.app ?? 'an unnamed app'} at {trace.client ?? NONE}: waited{' '}
        {duration(trace.queue_ms)}, {count(trace.prompt_tokens)} tokens read, {count(trace.completion_tokens)}{' '}
        written, {trace.retry_count} retries.
        {trace.reason !== null && ` Chosen as: ${trace.reason}.`}
        {trace.changed !== null && ` Changed: ${trace.changed}.`}
      </p>
      {trace.error_message !== null && <p class="reason bad">{trace.error_message}</p>}
      {trace.scores.length > 0 ? (
        <Table
          caption="Servers that were weighed, best first"
          columns={COLUMNS}
          rows={trace.scores}
          keyOf={({ server }) => server}
        />
      ) : (
        <p class="muted">
          Nothing was weighed: only one server had the model, one was named, or none took it.
        </p>
      )}
      <Command text={`ollana why ${trace.request_id}`} />
    </div>
  );
}
