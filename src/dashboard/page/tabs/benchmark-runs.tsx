import { useState } from 'preact/hooks';
import type { BenchmarkNow, BenchmarkReport, BenchmarkRun } from '../../../observe/benchmark/run.ts';
import { dayTime } from '../format.tsx';
import { useJson } from '../hooks.tsx';
import { Empty, Failure, Waiting } from '../parts.tsx';
import { sendJson } from '../send.tsx';
import type { Known } from '../stream.tsx';
import { BenchmarkChart } from './benchmark-chart.tsx';
import { BenchmarkRows } from './benchmark-rows.tsx';
import { BenchmarkStart } from './benchmark-start.tsx';

/** Older ones are in `ollana benchmark --history`. */
const SHOWN_RUNS = 20;
/** Answers of a benchmark end some seconds after one another, ms. */
const LOOK_EVERY_MS = 1000;
const READ_EVERY_MS = 60_000;

/** Benchmarks: starts one when told to, shows how it gets on, and those before it. */
export function BenchmarkRuns({ known }: { readonly known: Known }) {
  const [mark, setMark] = useState(0);
  const now = useJson<BenchmarkNow>('/dashboard/api/benchmarks/current', LOOK_EVERY_MS, mark);
  const { current = null, last = null } = now.data ?? {};
  // All that are kept are some megabytes at most, so they are asked for when there is one more.
  const { data, error } = useJson<BenchmarkReport>('/dashboard/api/benchmarks', READ_EVERY_MS, last?.id);
  return (
    <>
      <h2>Benchmarks</h2>
      <BenchmarkStart known={known} busy={current !== null} onStarted={() => setMark((count) => count + 1)} />
      <Failure error={error ?? data?.trouble ?? undefined} />
      <p class="hidden" role="status">
        {sayOf(current, last)}
      </p>
      {current && <Going run={current} />}
      <h2>Earlier benchmarks</h2>
      {data ? <History history={data.history} /> : !error && <Waiting />}
    </>
  );
}

/** For those who listen: how many are done, which changes seldom enough to be said. */
function sayOf(current: BenchmarkRun | null, last: BenchmarkRun | null): string {
  if (current) {
    const over = current.rows.filter(({ state }) => state !== 'waiting' && state !== 'measuring').length;
    return `Benchmark running: ${over} of ${current.rows.length} measured`;
  }
  return last ? `Benchmark ${last.state === 'done' ? 'ended' : last.state}` : '';
}

function Going({ run }: { readonly run: BenchmarkRun }) {
  const [error, setError] = useState<string>();
  const asked = run.rows.reduce((sum, row) => sum + row.asked, 0);
  const toAsk = run.rows.reduce((sum, row) => sum + (row.state === 'failed' ? row.asked : row.toAsk), 0);
  const cancel = () =>
    sendJson('DELETE', '/dashboard/api/benchmarks', { id: run.id }).catch((failure: Error) =>
      setError(failure.message),
    );
  return (
    <section aria-label="The benchmark that is running">
      <label class="field">
        <span>
          Running: {asked} of {toAsk} answers
        </span>
        <progress value={asked} max={Math.max(1, toAsk)} />
      </label>
      <button type="button" onClick={cancel}>
        Cancel the benchmark
      </button>
      <Failure error={error} />
      <BenchmarkRows run={run} caption="What is measured now" />
    </section>
  );
}

function History({ history }: { readonly history: readonly BenchmarkRun[] }) {
  if (history.length === 0)
    return (
      <Empty title="No benchmark has been run yet">
        <p>None starts by itself: it uses GPU time, and says how much before it begins.</p>
      </Empty>
    );
  return (
    <>
      <BenchmarkChart history={history} />
      {history.slice(0, SHOWN_RUNS).map((run, at) => (
        <details key={run.id} open={at === 0}>
          <summary>
            {dayTime(Date.parse(run.startedAt))}
            {run.state !== 'done' && `, ${run.state}: partial`}
          </summary>
          <BenchmarkRows run={run} caption={`Benchmark of ${dayTime(Date.parse(run.startedAt))}`} />
        </details>
      ))}
    </>
  );
}
