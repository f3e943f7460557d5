import { count, duration, NONE } from '../format.tsx';
import { type Column, Command, Table } from '../parts.tsx';

interface Score {
  readonly server: string;
  readonly finishMs: number;
  readonly waitMs: number;
  readonly loadMs: number;
  readonly runMs: number;
  readonly warm: boolean;
  readonly free: boolean;
  readonly tier: number;
  readonly chosen: boolean;
}

/** A request as `/dashboard/api/traces` tells it. */
export interface Trace {
  readonly request_id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly model: string | null;
  readonly node_id: string | null;
  readonly status: string;
  readonly latency_ms: number;
  readonly time_to_first_token_ms: number | null;
  readonly queue_ms: number | null;
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
  readonly retry_count: number;
  readonly error_message: string | null;
  readonly app: string | null;
  readonly client: string | null;
  readonly path: string | null;
  readonly reason: string | null;
  readonly changed: string | null;
  readonly scores: readonly Score[];
}

const COLUMNS: readonly Column<Score>[] = [
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
export function Why({ trace }: { readonly trace: Trace }) {
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
