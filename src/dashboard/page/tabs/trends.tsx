import { useMemo, useState } from 'preact/hooks';
import { Chart } from '../chart.tsx';
import { count, dayTime, duration } from '../format.tsx';
import { useJson } from '../hooks.tsx';
import { type Column, Empty, Failure, Table, Waiting } from '../parts.tsx';
import type { UsageAnswer, UsageRow } from '../usage.tsx';

const SPANS = [
  { id: '24h', title: 'Last day, by hour', by: 'hour', stepMs: 3_600_000, steps: 24 },
  { id: '7d', title: 'Last week, by hour', by: 'hour', stepMs: 3_600_000, steps: 168 },
  { id: '30d', title: 'Last 30 days, by day', by: 'day', stepMs: 86_400_000, steps: 30 },
] as const;

const CHARTS = [
  { title: 'Requests', value: (row: UsageRow) => row.requests, write: short },
  { title: 'Failed requests', value: (row: UsageRow) => row.failed, write: short },
  {
    title: 'Tokens read and written',
    value: (row: UsageRow) => row.promptTokens + row.completionTokens,
    write: short,
  },
  { title: 'Mean time of a request', value: (row: UsageRow) => row.meanLatencyMs, write: duration },
] as const;

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e4 ? `${value / 1e3}k` : count(value);
}

/** What was used over time. */
export function Trends() {
  const [id, setId] = useState<string>('24h');
  const span = SPANS.find((one) => one.id === id) ?? SPANS[0];
  const { data, error } = useJson<UsageAnswer>(`/dashboard/api/usage?by=${span.by}&since=${span.id}`, 10_000);
  return (
    <>
      <label class="field">
        <span>Time</span>
        <select value={id} onChange={({ currentTarget }) => setId(currentTarget.value)}>
          {SPANS.map((one) => (
            <option key={one.id} value={one.id}>
              {one.title}
            </option>
          ))}
        </select>
      </label>
      <Failure error={error} />
      {data ? <Charts rows={data.rows} stepMs={span.stepMs} steps={span.steps} /> : !error && <Waiting />}
    </>
  );
}

const COLUMNS: readonly Column<UsageRow>[] = [
  { title: 'From', cell: ({ key }) => (key.length > 10 ? dayTime(Date.parse(key)) : key) },
  ...CHARTS.map(({ title, value, write }) => ({
    title,
    right: true,
    cell: (row: UsageRow) => (write === short ? count(value(row)) : write(value(row))),
  })),
];

interface ChartsProps {
  readonly rows: readonly UsageRow[];
  readonly stepMs: number;
  readonly steps: number;
}

const NOTHING = {
  requests: 0,
  failed: 0,
  promptTokens: 0,
  completionTokens: 0,
  gpuSeconds: 0,
  meanLatencyMs: 0,
};

/** The last steps, those without any request among them, each where it begins. */
function fill(rows: readonly UsageRow[], stepMs: number, steps: number) {
  const now = new Date();
  if (stepMs < 86_400_000) now.setMinutes(0, 0, 0);
  else now.setHours(0, 0, 0, 0);
  const known = new Map(rows.map((row) => [beginOf(row), row]));
  const times = Array.from({ length: steps }, (_, at) => {
    const begin = new Date(now);
    // A day may have 23 hours.
    if (stepMs < 86_400_000) begin.setTime(now.getTime() - (steps - 1 - at) * stepMs);
    else begin.setDate(now.getDate() - (steps - 1 - at));
    return begin.getTime();
  });
  const filled = times.map((time): UsageRow => known.get(time) ?? { ...NOTHING, key: '', energyWh: null });
  return { times, filled };
}

const beginOf = ({ key }: UsageRow): number => Date.parse(key.length > 10 ? key : `${key}T00:00`);

function Charts({ rows, stepMs, steps }: ChartsProps) {
  const { times, filled } = useMemo(() => fill(rows, stepMs, steps), [rows, stepMs, steps]);
  const series = useMemo(() => CHARTS.map(({ value }) => filled.map(value)), [filled]);
  if (rows.length === 0) {
    return (
      <Empty title="No request was made in this time">
        <p>The overview shows how to send one; it is counted here some seconds after it has ended.</p>
      </Empty>
    );
  }
  return (
    <>
      <div class="charts">
        {CHARTS.map(({ title, write }, at) => (
          <section class="card" key={title} aria-label={title}>
            <h2>{title}</h2>
            <Chart
              label={`${title} over time`}
              times={times}
              values={series[at] ?? []}
              write={write}
              stepMs={stepMs}
              whole={write === short}
            />
          </section>
        ))}
      </div>
      <details>
        <summary>The same as a table</summary>
        <Table
          caption="Use over time"
          columns={COLUMNS}
          rows={[...rows].reverse()}
          keyOf={({ key }) => key}
        />
      </details>
    </>
  );
}
