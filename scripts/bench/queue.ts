import { join } from 'node:path';
import { Child } from './child.ts';
import type { BenchConfig } from './config.ts';
import { Load } from './load.ts';
import { startOllana } from './ollana-daemon.ts';
import { type QueueReport, summariseQueue } from './queue-report.ts';
import { modulesOf } from './stale.ts';

/** Two chat models that fit in memory side by side. */
const MODELS = [
  { name: 'often', tokensPerSecond: 400, loadMs: 300 },
  { name: 'seldom', tokensPerSecond: 400, loadMs: 300 },
];
/** As Ollama is set up by default, and as people set it who serve several. */
const PARALLEL = [1, 2];
const REQUESTS = 36;
/** Every sixth asks for the other model. */
const OTHER_EVERY = 6;
/** A short answer of a fast GPU, about 400 ms: of a longer one the way to and fro is less. */
const LINES = 160;
/** Closer together than they can be served, so that a queue builds up. */
const GAP_MS = 50;

/**
 * What the queue in front of Ollama costs those who wait in it: the same arrivals at an Ollama and at an ollana in
 * front of an equal one, side by side. Rejects when an answer is not whole.
 */
export async function runQueue(config: BenchConfig, tell: (text: string) => void): Promise<QueueReport> {
  const rows: { parallel: number; plainMs: number[]; queuedMs: number[] }[] = [];
  for (const parallel of PARALLEL) {
    const row = { parallel, plainMs: [] as number[], queuedMs: [] as number[] };
    for (let round = 1; round <= config.rounds; round += 1) {
      tell(`${parallel} at once, round ${round} of ${config.rounds}`);
      const [plain, queued] = await runRound(parallel, config);
      row.plainMs.push(plain);
      row.queuedMs.push(queued);
    }
    rows.push(row);
  }
  return summariseQueue(REQUESTS, rows);
}

/** Time from the first arrival to the last byte, ms: at the plain Ollama, through ollana. */
async function runRound(parallel: number, config: BenchConfig): Promise<[number, number]> {
  const running: AsyncDisposable[] = [];
  const ollama = async () => {
    const script = join(import.meta.dirname, 'ollama.child.mjs');
    const options = JSON.stringify({ numParallel: parallel });
    const child = new Child([script, modulesOf(config.dist), JSON.stringify(MODELS), options]);
    running.unshift(child);
    return child.url();
  };
  try {
    const plain = await ollama();
    const args = ['serve', '--ollama', await ollama(), '--parallel', String(parallel)];
    const served = await startOllana('ollana-serve', args, config);
    running.unshift(served);
    return await Promise.all([makespan(plain), makespan(served.url)]);
  } finally {
    for (const one of running) await one[Symbol.asyncDispose]();
  }
}

async function makespan(url: string): Promise<number> {
  using load = new Load(url);
  // The first load of a model beside another waits for that one to be idle: nobody knows yet whether both fit.
  for (const { name } of MODELS) await load.count(name, 1);
  const startedAt = performance.now();
  const all = Array.from({ length: REQUESTS }, async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i * GAP_MS));
    const model = i % OTHER_EVERY === OTHER_EVERY - 1 ? 'seldom' : 'often';
    const { lines } = await load.count(model, LINES);
    if (lines !== LINES + 1) throw new Error(`${url} gave ${lines} lines of ${LINES + 1}`);
  });
  await Promise.all(all);
  return performance.now() - startedAt;
}
