import { bytes, count, duration, NONE } from '../format.tsx';
import { useJson } from '../hooks.tsx';
import { Badge, type Column, Command, Empty, Failure, Table, Waiting } from '../parts.tsx';
import type { UsageAnswer, UsageRow } from '../usage.tsx';

interface Model {
  readonly name: string;
  readonly size: number | null;
  readonly digest: string;
  readonly servers: readonly { readonly name: string; readonly loaded: boolean; readonly digest: string }[];
}

/** Everything that is installed, where it is, and how it is used. */
export function Models() {
  const list = useJson<{ models: readonly Model[] }>('/ollana/api/models', 5000);
  const use = useJson<UsageAnswer>('/dashboard/api/usage?by=model', 10_000);
  const models = list.data?.models ?? [];
  return (
    <>
      <Failure error={list.error} />
      <h2>Installed</h2>
      {list.data === undefined && !list.error && <Waiting />}
      {list.data && models.length === 0 && (
        <Empty title="No server holds a model">
          <p>Have one fetched, where there is room for it:</p>
          <Command text="ollana pull llama3.2" />
        </Empty>
      )}
      {models.length > 0 && (
        <Table
          caption="Models that are installed"
          columns={INSTALLED}
          rows={models}
          keyOf={({ name }) => name}
        />
      )}
      <h2>Used in the last 30 days</h2>
      <Failure error={use.error} />
      {use.data && use.data.rows.length === 0 && <Empty title="No model was used in this time" />}
      {use.data && use.data.rows.length > 0 && (
        <Table caption="Models by use" columns={USED} rows={use.data.rows} keyOf={({ key }) => key} />
      )}
      <p class="muted">
        In a terminal: <code>ollana models</code>, <code>ollana pull</code>, <code>ollana rm</code>,{' '}
        <code>ollana unload</code>.
      </p>
    </>
  );
}

const INSTALLED: readonly Column<Model>[] = [
  { title: 'Model', cell: ({ name }) => name },
  { title: 'Size', right: true, cell: ({ size }) => bytes(size) },
  {
    title: 'Servers',
    cell: ({ servers, digest }) => (
      <span class="badges">
        {servers.map((copy) => (
          <Badge key={copy.name} tone={copy.loaded ? 'good' : 'plain'}>
            {copy.name}
            {copy.loaded && ' · in memory'}
            {copy.digest !== digest && ' · another version'}
          </Badge>
        ))}
      </span>
    ),
  },
];

const USED: readonly Column<UsageRow>[] = [
  { title: 'Model', cell: ({ key }) => key || NONE },
  ...usageColumns(),
];

/** Columns of what requests add up to. */
export function usageColumns(): readonly Column<UsageRow>[] {
  return [
    { title: 'Requests', right: true, cell: ({ requests }) => count(requests) },
    { title: 'Failed', right: true, cell: ({ failed }) => count(failed) },
    { title: 'Tokens read', right: true, cell: ({ promptTokens }) => count(promptTokens) },
    { title: 'Tokens written', right: true, cell: ({ completionTokens }) => count(completionTokens) },
    { title: 'GPU time', right: true, cell: ({ gpuSeconds }) => duration(gpuSeconds * 1000) },
    { title: 'Mean time', right: true, cell: ({ meanLatencyMs }) => duration(meanLatencyMs) },
  ];
}
