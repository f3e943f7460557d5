import { useJson } from '../hooks.tsx';
import { type Column, Command, Empty, Failure, Table, Waiting } from '../parts.tsx';
import type { Known } from '../stream.tsx';
import type { UsageRow } from '../usage.tsx';
import { usageColumns } from './models.tsx';

const COLUMNS: readonly Column<UsageRow>[] = [
  { title: 'App', cell: ({ key }) => key || 'an unnamed app' },
  ...usageColumns(),
];

/** Who uses it, and how much. */
export function Apps({ known }: { readonly known: Known }) {
  const { data, error } = useJson<{ apps: readonly UsageRow[] }>('/dashboard/api/apps', 10_000);
  return (
    <>
      <p class="muted">The last 30 days, by the app that asked.</p>
      <Failure error={error} />
      {!data && !error && <Waiting />}
      {data && data.apps.length > 0 && (
        <Table caption="Apps by use" columns={COLUMNS} rows={data.apps} keyOf={({ key }) => key} />
      )}
      {data && data.apps.length === 0 && <Empty title="No app has asked for anything in this time" />}
      <h2>Give an app its name</h2>
      <p>An app is known by its API key, by a header, or by how its library calls itself.</p>
      <Command
        text={`curl ${known.daemon?.url ?? ''}/api/generate -H 'X-Ollana-App: notes' -d '{"model":"llama3.2","prompt":"Hello"}'`}
        label="the header"
      />
      <Command text="ollana key add notes" label="the command that makes a key" />
    </>
  );
}
