import { useState } from 'preact/hooks';
import { modelKey } from '../../../ollama/names.ts';
import { bytes, hoursAgo } from '../format.tsx';
import type { Holder, Orders } from '../orders.tsx';
import { Badge, type Column, Table } from '../parts.tsx';
import { Refusal } from '../refusal.tsx';
import { Confirm } from './confirm.tsx';

/** A model on a server's disk or in its memory. */
export interface Held {
  readonly model: string;
  readonly size: number | null;
  readonly loaded: boolean;
  /** The bytes that go by this name elsewhere are others. */
  readonly differs: boolean;
}

/** `/dashboard/api/last-uses`. */
export interface LastUse {
  readonly model: string;
  readonly server: string;
  readonly lastHourMs: number;
}

interface HeldModelsProps {
  readonly holder: Holder;
  readonly models: readonly Held[];
  /** Undefined where nobody keeps it. */
  readonly uses: readonly LastUse[] | undefined;
  readonly orders: Orders;
}

/** What one server holds, and what can be done about it. */
export function HeldModels({ holder, models, uses, orders }: HeldModelsProps) {
  const [doomed, setDoomed] = useState<Held>();
  const used = new Map<string, number>();
  for (const { model, server, lastHourMs } of uses ?? [])
    if (server === holder.name)
      used.set(modelKey(model), Math.max(lastHourMs, used.get(modelKey(model)) ?? 0));
  const columns: readonly Column<Held>[] = [
    {
      title: 'Model',
      cell: ({ model, differs }) => (
        <>
          {model} {differs && <Badge tone="plain">another version</Badge>}
        </>
      ),
    },
    { title: 'Size', right: true, cell: ({ size }) => bytes(size) },
    {
      title: 'Last used',
      cell: ({ model }) => hoursAgo(used.get(modelKey(model))),
    },
    {
      title: 'In memory',
      cell: ({ loaded }) => (
        <Badge tone={loaded ? 'good' : 'plain'}>{loaded ? 'loaded' : 'not loaded'}</Badge>
      ),
    },
    {
      title: 'Do',
      cell: (row) => (
        <span class="acts">
          {row.loaded && <Unload holder={holder} model={row.model} orders={orders} />}
          <button
            type="button"
            aria-label={`Delete ${row.model} from ${holder.name}`}
            disabled={isBusy(orders, holder, row.model)}
            onClick={() => setDoomed(row)}
          >
            Delete
          </button>
        </span>
      ),
    },
  ];
  return (
    <>
      <h3>{holder.name}</h3>
      <Table
        caption={`Models on ${holder.name}`}
        columns={columns}
        rows={models}
        keyOf={({ model }) => model}
        below={({ model }) => undone({ holder, model, orders })}
      />
      {doomed && (
        <Confirm
          title={`Delete ${doomed.model}?`}
          act={`Delete from ${holder.name}`}
          onAct={() => void orders.remove(holder, doomed.model)}
          keep="Keep it"
          isBad
          onClose={() => setDoomed(undefined)}
        >
          <p>
            {doomed.model} is taken off the disk of {holder.name}
            {doomed.size !== null && `, where it takes ${bytes(doomed.size)}`}. To have it there again it must
            be pulled again.
          </p>
        </Confirm>
      )}
    </>
  );
}

interface OneProps {
  readonly holder: Holder;
  readonly model: string;
  readonly orders: Orders;
}

/** Takes a model out of a server's memory. */
export function Unload({ holder, model, orders }: OneProps) {
  return (
    <button
      type="button"
      aria-label={`Unload ${model} on ${holder.name}`}
      disabled={isBusy(orders, holder, model)}
      onClick={() => void orders.unload(holder, model)}
    >
      Unload
    </button>
  );
}

/** Why the last order about a model was not done; null where there is nothing to say. */
export function undone({ holder, model, orders }: OneProps) {
  const doing = orders.doing(holder, model);
  if (doing?.error === undefined) return null;
  const what = doing.what === 'delete' ? 'Not deleted' : 'Not unloaded';
  return <Refusal what={`${what}: ${model} on ${holder.name}`} error={doing.error} />;
}

function isBusy(orders: Orders, holder: Holder, model: string): boolean {
  const doing = orders.doing(holder, model);
  return doing !== undefined && doing.error === undefined;
}
