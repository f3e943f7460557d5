import { count, duration, NONE } from '../format.tsx';
import { serversIn, useJson } from '../hooks.tsx';
import { KeyField } from '../key-field.tsx';
import type { Orders } from '../orders.tsx';
import { type Column, Command, Empty, Failure, Table, Waiting } from '../parts.tsx';
import { useStore } from '../store.tsx';
import type { Known } from '../stream.tsx';
import type { UsageAnswer, UsageRow } from '../usage.tsx';
import { type Copy, heldAt } from './held-at.tsx';
import { HeldModels, type LastUse } from './held-models.tsx';
import { PullForm } from './pull-form.tsx';

interface ModelsProps {
  readonly known: Known;
  readonly orders: Orders;
}

/** What each server holds, what can be done about it, and how it is used. */
export function Models({ known, orders }: ModelsProps) {
  useStore(orders);
  const servers = serversIn(known);
  // What a server holds has changed when it tells of another count, or of others in memory.
  const mark = JSON.stringify(servers.map(({ server: { models, loaded } }) => [models, loaded]));
  const list = useJson<{ models: readonly Copy[] }>('/ollana/api/models', 5000, mark);
  const use = useJson<UsageAnswer>('/dashboard/api/usage?by=model', 10_000);
  const last = useJson<{ uses: readonly LastUse[] }>('/dashboard/api/last-uses', 30_000);
  const held = heldAt(list.data?.models ?? []);
  return (
    <>
      <h2>Pull a model</h2>
      <PullForm orders={orders} servers={servers} />
      {orders.asksKey && (
        <KeyField
          value={orders.key}
          change={(key) => {
            orders.key = key;
          }}
        />
      )}
      <p role="status" class="good">
        {orders.said}
      </p>
      <h2>Held by each server</h2>
      <Failure error={list.error} />
      {list.data === undefined && !list.error && <Waiting />}
      {list.data && held.length === 0 && (
        <Empty title="No server holds a model">
          <p>Have one fetched above, or in a terminal:</p>
          <Command text="ollana pull llama3.2" />
        </Empty>
      )}
      {held.map(({ holder, models }) => (
        <HeldModels key={holder.url} holder={holder} models={models} uses={last.data?.uses} orders={orders} />
      ))}
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
