import { useMemo, useState } from 'preact/hooks';
import type { BenchmarkRun } from '../../../observe/benchmark/run.ts';
import { Chart } from '../chart.tsx';
import { rate } from '../format.tsx';

interface Point {
  readonly at: number;
  readonly value: number;
}

/** Where two benchmarks are a minute apart, their bars still are beside one another. */
const LEAST_STEP_MS = 60_000;

/** Writing speeds by model and server, of those that were measured at least twice, the oldest first. */
function seriesIn(history: readonly BenchmarkRun[]): readonly (readonly [string, readonly Point[]])[] {
  const found = new Map<string, Point[]>();
  for (const { startedAt, rows } of [...history].reverse())
    for (const { server, model, decodePerS } of rows) {
      if (decodePerS === null) continue;
      const name = `${model} at ${server}`;
      found.set(name, [...(found.get(name) ?? []), { at: Date.parse(startedAt), value: decodePerS }]);
    }
  return [...found].filter(([, points]) => points.length > 1).sort(([a], [b]) => a.localeCompare(b));
}

/** How the writing speed of one model at one server was from benchmark to benchmark; nothing where there is one only. */
export function BenchmarkChart({ history }: { readonly history: readonly BenchmarkRun[] }) {
  const series = useMemo(() => seriesIn(history), [history]);
  const [name, setName] = useState('');
  const chosen = series.find(([one]) => one === name) ?? series[0];
  const [times, values] = useMemo(() => {
    const points = chosen?.[1] ?? [];
    return [points.map(({ at }) => at), points.map(({ value }) => value)] as const;
  }, [chosen]);
  if (!chosen) return null;
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return (
    <section class="card" aria-label="Writing speed over time">
      <label class="field">
        <span>Writing speed of</span>
        <select value={chosen[0]} onChange={({ currentTarget }) => setName(currentTarget.value)}>
          {series.map(([one]) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <Chart
        label={`Writing speed of ${chosen[0]} over time: ${values.map(rate).join(', ')}`}
        times={times}
        values={values}
        write={rate}
        stepMs={Math.max(LEAST_STEP_MS, span / times.length)}
        whole={false}
      />
    </section>
  );
}
