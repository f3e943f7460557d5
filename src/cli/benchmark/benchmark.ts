import { OPTIONS } from '../../config/options.ts';
import { type Flags, pick, pickList, type Sources } from '../../config/pick.ts';
import type { Surroundings } from '../../config/surroundings.ts';
import { resolveDataDir } from '../../config.ts';
import { BENCHMARK_PLAN_PATH, BENCHMARKS_PATH } from '../../daemon/benchmarks/paths.ts';
import type { BenchmarkPlan, BenchmarkReport, BenchmarkRun } from '../../observe/benchmark/run.ts';
import { confirmed } from '../confirm.ts';
import { type CommandedDaemon, readReport, theDaemon } from '../daemon-request.ts';
import { EXIT } from '../exit-codes.ts';
import { safeJson } from '../safe-json.ts';
import { tellDaemon } from '../tell-daemon.ts';
import { plainText } from '../text.ts';
import { readPlan } from './ask-plan.ts';
import { follow } from './follow.ts';
import { benchmarkTable, historyText, planText } from './table.ts';

/** By convention 128 + the signal's number. */
const CUT_SHORT = Object.freeze({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 });

/**
 * Measures models at servers through the running daemon, after it was said what that costs and agreed to, and prints a
 * table, or a BenchmarkRun as JSON; or prints earlier ones. Returns 0 when all was measured, 1 when something was not,
 * 130 or 143 when a signal ended it, which cancels it at the servers. Throws OLLANA_BAD_OPTION, OLLANA_NOT_RUNNING and
 * OLLANA_DIAL_FAILED.
 */
export async function benchmarkAction(
  models: readonly string[],
  sources: Surroundings & Sources & { readonly flags: Flags },
): Promise<number> {
  const dataDir = resolveDataDir(sources);
  const json = pick(OPTIONS.json, sources);
  if (pick(OPTIONS.history, sources)) return printHistory(theDaemon(dataDir), json);
  const order = {
    models,
    // OLLANA_SERVER names the servers of a daemon: which are measured is only what was typed.
    servers: pickList(OPTIONS.measuredServers, { flags: sources.flags, env: {} }),
    rounds: pick(OPTIONS.rounds, sources),
  };
  const yes = pick(OPTIONS.yes, sources);
  const daemon = theDaemon(dataDir);
  const plan = await readPlan(daemon, `${BENCHMARK_PLAN_PATH}?${queryOf(order)}`);
  if (!plan) return EXIT.failed;
  process.stderr.write(`${planText(plan)}\n`);
  if (!yes && !(await confirmed('Start? Type yes: ', 'a benchmark uses GPU time'))) {
    process.stderr.write('ollana: nothing was started\n');
    return EXIT.failed;
  }
  return run(daemon, dataDir, narrowed(order, plan), json);
}

interface Order {
  readonly models: readonly string[];
  readonly servers: readonly string[];
  readonly rounds: number;
}

/** What was agreed to, and no server that has come since. */
function narrowed(order: Order, { targets }: BenchmarkPlan): Order {
  return { ...order, servers: [...new Set(targets.map(({ deviceId }) => deviceId))] };
}

async function run(daemon: CommandedDaemon, dataDir: string, order: Order, json: boolean): Promise<number> {
  const over = new AbortController();
  let cutShort: number | undefined;
  const onSignal = (signal: keyof typeof CUT_SHORT) => {
    cutShort ??= CUT_SHORT[signal];
    over.abort();
  };
  const signals = Object.keys(CUT_SHORT) as (keyof typeof CUT_SHORT)[];
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const tell = (method: 'POST' | 'DELETE', body: Readonly<Record<string, unknown>>) =>
      tellDaemon(dataDir, { method, path: BENCHMARKS_PATH, body }, daemon);
    const started = await tell('POST', { ...order });
    if (!started) return EXIT.failed;
    const id = String(started.id);
    let ended = await follow(daemon, id, over.signal);
    if (!ended) {
      ended = (await tell('DELETE', { id }))?.run as BenchmarkRun | undefined;
      if (process.stderr.isTTY) process.stderr.write('\n');
    }
    if (ended) process.stdout.write(json ? `${safeJson(ended)}\n` : benchmarkTable(ended));
    if (cutShort !== undefined) {
      process.stderr.write('ollana: benchmark cancelled\n');
      return cutShort;
    }
    const isWhole = ended?.state === 'done' && ended.rows.every(({ state }) => state === 'done');
    return isWhole ? EXIT.ok : EXIT.failed;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

async function printHistory(daemon: CommandedDaemon, json: boolean): Promise<number> {
  const { history, trouble } = await readReport<BenchmarkReport>(
    daemon,
    BENCHMARKS_PATH,
    ({ history: runs }) => Array.isArray(runs),
  );
  if (trouble) process.stderr.write(`ollana: ${plainText(trouble)}\n`);
  process.stdout.write(json ? `${safeJson({ history })}\n` : historyText(history));
  return EXIT.ok;
}

function queryOf({ models, servers, rounds }: Order): string {
  const query = new URLSearchParams({ rounds: String(rounds) });
  for (const model of models) query.append('model', model);
  for (const server of servers) query.append('server', server);
  return query.toString();
}
