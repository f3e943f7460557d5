import { sleepAwake } from '../../clock.ts';
import { BENCHMARK_NOW_PATH } from '../../daemon/benchmarks/paths.ts';
import { OllanaError } from '../../errors.ts';
import type { BenchmarkNow, BenchmarkRun } from '../../observe/benchmark/run.ts';
import { type CommandedDaemon, readReport } from '../daemon-request.ts';
import { isOver, progressLine, rowText } from './table.ts';

/** Shorter than anybody waits for news, and nothing to a daemon, ms. */
const LOOK_EVERY_MS = 250;
const MOST_COLUMNS = 100;

/**
 * Shows on stderr how a benchmark gets on, until it has ended or `signal` aborts, in which case it resolves with
 * undefined: in place on a terminal, else a line for each model that has been measured. Throws OLLANA_DIAL_FAILED when
 * the daemon is gone.
 */
export async function follow(
  daemon: CommandedDaemon,
  id: string,
  signal: AbortSignal,
): Promise<BenchmarkRun | undefined> {
  const said = new Set<number>();
  const left = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  while (!signal.aborted) {
    const { current, last } = await readReport<BenchmarkNow>(
      daemon,
      BENCHMARK_NOW_PATH,
      ({ current: one }) => one !== undefined,
    );
    const run = [current, last].find((one) => one?.id === id);
    if (!run)
      throw new OllanaError(
        'OLLANA_DIAL_FAILED',
        'ollana was started anew and the benchmark ended with it: `ollana benchmark --history` shows what it had measured',
      );
    show(run, said);
    if (run.state !== 'running') return run;
    await Promise.race([sleepAwake(LOOK_EVERY_MS), left]);
  }
  return undefined;
}

function show(run: BenchmarkRun, said: Set<number>): void {
  const { stderr } = process;
  if (stderr.isTTY) {
    const columns = Math.min(MOST_COLUMNS, (stderr.columns ?? 80) - 1);
    stderr.write(run.state === 'running' ? `\r\u001b[K${progressLine(run, columns)}` : '\r\u001b[K');
    return;
  }
  for (const [at, row] of run.rows.entries()) {
    if (!isOver(row) || said.has(at)) continue;
    said.add(at);
    stderr.write(`${rowText(row)}\n`);
  }
}
