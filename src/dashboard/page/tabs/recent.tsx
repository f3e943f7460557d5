import type { RequestView } from '../../view.ts';
import { clockTime, count, duration, NONE } from '../format.tsx';
import { Badge, type Column, Empty, Table, type Tone } from '../parts.tsx';

/** How a request ended, by colour. */
export function toneOf(outcome: string): Tone {
  if (outcome === 'completed') return 'good';
  if (outcome === 'failed' || outcome === 'incomplete') return 'bad';
  return 'warn';
}

const COLUMNS: readonly Column<RequestView>[] = [
  { title: 'Ended', cell: ({ at }) => clockTime(at) },
  { title: 'Model', cell: ({ model }) => model ?? NONE },
  { title: 'Server', cell: ({ server }) => server ?? NONE },
  { title: 'App', cell: ({ app }) => app ?? NONE },
  {
    title: 'Outcome',
    cell: ({ outcome, error }) => (
      <>
        <Badge tone={toneOf(outcome)}>{outcome}</Badge> {error !== null && <span class="muted">{error}</span>}
      </>
    ),
  },
  { title: 'First byte', right: true, cell: ({ firstByteMs }) => duration(firstByteMs) },
  { title: 'Whole', right: true, cell: ({ durationMs }) => duration(durationMs) },
  { title: 'Tokens', right: true, cell: ({ tokens }) => count(tokens) },
];

/** The last requests, the newest first. */
export function Recent({ requests }: { readonly requests: readonly RequestView[] }) {
  if (requests.length === 0) {
    return (
      <Empty title="No request has ended since ollana was started">
        <p>Send one with any of the examples below; it is shown here within a second.</p>
      </Empty>
    );
  }
  return (
    <Table caption="Requests that ended just now" columns={COLUMNS} rows={requests} keyOf={({ id }) => id} />
  );
}
