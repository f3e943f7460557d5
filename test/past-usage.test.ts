import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { PastUsage } from '../src/daemon/past-usage.ts';
import { Traces } from '../src/observe/traces.ts';
import { modelKey } from '../src/ollama/names.ts';
import { TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { handClock } from './_hand-clock.ts';
import { aTrace } from './_traces.ts';

const DAY = 86_400_000;

it('knows a minute after the start who used which model last, and how far back that reaches', async () => {
  using folder = temporaryDirectory('past-usage');
  const clock = handClock();
  const log = new TestLog();
  await using traces = new Traces({ path: join(folder.path, 'traces.db'), clock: systemClock, log });
  const now = clock.wall();
  traces.keep(aTrace(1, { model: 'old', at: now - 40 * DAY }));
  traces.keep(aTrace(2, { model: 'llama3', at: now - 2 * DAY }));
  traces.keep(aTrace(3, { model: 'llama3:latest', at: now - DAY }));
  traces.keep(aTrace(4, { model: 'old', at: now - DAY, isUse: false }));
  using past = new PastUsage(traces, clock);
  expect(past.usage()).toBeUndefined();
  clock.pass(60_000);
  await until(5000, 'the file to be read', () => past.usage() !== undefined);
  expect(past.usage()?.models).toEqual(
    new Map([
      [modelKey('llama3'), { requests: 2, lastUsedMs: now - DAY }],
      [modelKey('old'), { requests: 1, lastUsedMs: now - 40 * DAY }],
    ]),
  );
  expect(past.usage()?.reachMs).toBeGreaterThan(39 * DAY);
});
