import { type Clock, systemClock } from '../src/clock.ts';
import type { HealthReport, ReportedProblem } from '../src/observe/health/report.ts';
import { call } from './_api.ts';
import { type Cluster, type ClusterOptions, startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';

/** Time that a test can let pass at once; what is done from time to time is done 25 times as often. */
function leaping(): Clock & { skip(ms: number): void } {
  let skipped = 0;
  return {
    now: () => systemClock.now() + skipped,
    wall: () => systemClock.wall() + skipped,
    after: (ms, fn) => systemClock.after(ms, fn),
    every: (ms, fn) => systemClock.every(ms / 25, fn),
    skip(ms) {
      skipped += ms;
    },
  };
}

/** A whole daemon whose health is looked at. */
export interface Stage extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly url: string;
  skip(ms: number): void;
  report(): Promise<HealthReport>;
  /** Resolves with the problem that the check has found. */
  found(check: string): Promise<ReportedProblem>;
  /** Resolves when no problem of the check is left. */
  solved(check: string): Promise<unknown>;
  /** Reads all lists at once. */
  sync(): Promise<unknown>;
  /** Runs a model; resolves with the status. */
  run(model?: string, more?: object): Promise<number>;
}

/** Starts a cluster whose time a test can let pass. */
export async function stage(options: ClusterOptions = {}): Promise<Stage> {
  const clock = leaping();
  const cluster = await startCluster({ ...options, clock });
  const { url } = cluster;
  const report = async () => (await call(url, '/dashboard/api/health')).json as HealthReport;
  const of = async (check: string) => (await report()).problems.find((one) => one.check === check);
  return {
    cluster,
    url,
    skip: clock.skip,
    report,
    found: (check) =>
      until(
        15_000,
        `${check} to be found`,
        async () => {
          clock.skip(2000);
          return of(check);
        },
        200,
      ),
    solved: (check) =>
      until(
        15_000,
        `${check} to be solved`,
        async () => {
          clock.skip(5000);
          return (await of(check)) === undefined;
        },
        200,
      ),
    sync: () => call(url, '/sync_servers', { method: 'POST', body: {} }),
    run: async (model = 'simulated', more = {}) => {
      const body = { model, prompt: 'hi', stream: false, ...more };
      return (await call(url, '/api/generate', { method: 'POST', body })).status;
    },
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** What counts over a quarter of an hour is over. */
export const QUARTER_MS = 17 * 60_000;
