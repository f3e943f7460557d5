import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { startBareProxy } from './bare-proxy.ts';
import { Child } from './child.ts';
import { type BenchConfig, MODELS } from './config.ts';
import type { Contender, ContenderName } from './contender.ts';
import { startDirect } from './direct.ts';
import { startOneHop } from './ollana-one-hop.ts';
import { startTwoHops } from './ollana-two-hops.ts';
import { cpuSeconds, residentMb } from './process-cost.ts';
import { type Report, type Standing, summarise } from './report.ts';
import { type RoundFigures, runRound } from './round.ts';
import { isStale, modulesOf } from './stale.ts';
import { validate } from './validate.ts';

const STARTS = [startDirect, startBareProxy, startOneHop, startTwoHops];
/** Start-up work and first lists are over by then, and V8 has collected their garbage, ms. */
const SETTLE_MS = 10_000;
/** Until then V8's compiler threads take 6 us of each line's 25, which no long-running daemon pays. */
const WARM_UP_ROUNDS = 2;

/**
 * What it costs that a request goes through a proxy: latency, CPU and memory, of all contenders in the same run.
 * Rejects when a contender does not start or gives other than the same whole 2xx answers.
 */
export async function runForward(config: BenchConfig, tell: (text: string) => void): Promise<Report> {
  if (!existsSync(join(config.dist, 'cli.js'))) {
    throw new Error(`nothing compiled in ${config.dist}: run 'npm run build' first`);
  }
  if (isStale(join(import.meta.dirname, '../../src'), config.dist)) {
    tell(`${config.dist} is older than src: these figures are not those of the present sources`);
  }
  const atStart = loadavg()[0] ?? Number.NaN;
  const running: AsyncDisposable[] = [];
  try {
    const ollama = new Child([
      join(import.meta.dirname, 'ollama.child.mjs'),
      modulesOf(config.dist),
      JSON.stringify(Object.values(MODELS)),
    ]);
    running.push(ollama);
    const ollamaUrl = await ollama.url();
    const contenders: Contender[] = [];
    for (const start of STARTS) {
      const contender = await start(ollamaUrl, config);
      running.push(contender);
      contenders.push(contender);
    }
    tell(`watching the idle processes for ${config.idleMs / 1000} s`);
    const idle = await watchIdle(contenders, config.idleMs);
    await validate(contenders);
    tell('all give the same bytes; warming up');
    const rounds = await runRounds(contenders, config, tell);
    const standing: Standing[] = contenders.flatMap((contender) =>
      contender.pids.map((pid, hop) => ({
        contender: contender.name,
        hop,
        idleCpuPercent: idle.get(pid)?.cpuPercent ?? Number.NaN,
        idleMb: idle.get(pid)?.mb ?? Number.NaN,
        loadedMb: residentMb(pid),
      })),
    );
    const machine = { node: process.version, cpu: cpus()[0]?.model ?? '?', cores: cpus().length };
    return summarise({ machine: { ...machine, loadAverageAtStart: atStart }, rounds, standing });
  } finally {
    for (const one of running.reverse()) await one[Symbol.asyncDispose]();
  }
}

/** Rounds in which every contender is measured once; the first ones are thrown away. */
async function runRounds(
  contenders: readonly Contender[],
  config: BenchConfig,
  tell: (text: string) => void,
): Promise<Map<ContenderName, RoundFigures[]>> {
  const rounds = new Map<ContenderName, RoundFigures[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 1 - WARM_UP_ROUNDS; round <= config.rounds; round += 1) {
    if (round > 0) tell(`round ${round} of ${config.rounds}`);
    // With a fixed order each would always meet the caches as the same other one has left them: that was 15 %.
    for (const contender of shuffled(contenders)) {
      const figures = await runRound(contender, config);
      if (round > 0) rounds.get(contender.name)?.push(figures);
    }
  }
  return rounds;
}

function shuffled<T>(list: readonly T[]): T[] {
  const keyed = list.map((one) => ({ one, key: Math.random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
}

/** CPU (percent of one core) and memory of every process while nothing is asked of it. */
async function watchIdle(
  contenders: readonly Contender[],
  ms: number,
): Promise<Map<number, { cpuPercent: number; mb: number }>> {
  const pids = contenders.flatMap((contender) => contender.pids);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = pids.map((pid) => ({ pid, cpu: cpuSeconds(pid), at: performance.now() }));
  await new Promise((resolve) => setTimeout(resolve, ms));
  const figures = before.map(({ pid, cpu, at }) => {
    const cpuPercent = (100_000 * (cpuSeconds(pid) - cpu)) / (performance.now() - at);
    return [pid, { cpuPercent, mb: residentMb(pid) }] as const;
  });
  return new Map(figures);
}
