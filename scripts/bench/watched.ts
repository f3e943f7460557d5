import { Agent, get, request } from 'node:http';
import { join } from 'node:path';
import { Child } from './child.ts';
import type { BenchConfig } from './config.ts';
import { startOllana } from './ollana-daemon.ts';
import { cpuSeconds } from './process-cost.ts';
import { modulesOf } from './stale.ts';
import { percentile } from './stats.ts';
import { summariseWatched, type WatchedReport } from './watched-report.ts';

/** Pages of the dashboard that are open. */
const PAGES = 50;
/** Requests a second that the fleet answers: what a few busy people and their tools ask for. */
const PER_SECOND = 40;
/** How long each side is looked at in a round, ms. */
const LOOK_MS = 8000;
const MODELS = [{ name: 'm', tokensPerSecond: 400, loadMs: 0 }];

/**
 * What open dashboards cost a daemon whose fleet is busy, and what keeping a trace of each request costs the request:
 * three servers, the same load with and without. Rejects when a request fails.
 */
export async function runWatched(config: BenchConfig, tell: (text: string) => void): Promise<WatchedReport> {
  const running: AsyncDisposable[] = [];
  const keep = <T extends AsyncDisposable>(one: T): T => {
    running.unshift(one);
    return one;
  };
  try {
    const script = join(import.meta.dirname, 'ollama.child.mjs');
    const servers: string[] = [];
    for (const name of ['attic', 'desk', 'cellar']) {
      const ollama = keep(new Child([script, modulesOf(config.dist), JSON.stringify(MODELS)]));
      servers.push('--server', `${await ollama.url()}=${name}`);
    }
    const start = (name: string, more: readonly string[]) =>
      startOllana(name, ['--no-local-fallback', ...servers, ...more], config);
    const kept = keep(await start('ollana', []));
    const plain = keep(await start('ollana-no-traces', ['--no-traces']));
    const rounds: WatchedReport['rounds'][number][] = [];
    await load(kept.url, 1000);
    await load(plain.url, 1000);
    for (let round = 1; round <= config.rounds; round += 1) {
      tell(`round ${round} of ${config.rounds}`);
      const unwatched = await cost(kept, LOOK_MS);
      const pages = Array.from({ length: PAGES }, () => open(`${kept.url}/dashboard/events`));
      const watched = await cost(kept, LOOK_MS);
      for (const close of pages) close();
      const untraced = await cost(plain, LOOK_MS);
      rounds.push({ unwatched, watched, untraced });
    }
    return summariseWatched(rounds);
  } finally {
    for (const part of running) await part[Symbol.asyncDispose]();
  }
}

/** Share of a core that a daemon uses while it is asked, and the 99th percentile of its answers, ms. */
async function cost({ url, pid }: { url: string; pid: number }, ms: number) {
  const [cpu, at] = [cpuSeconds(pid), performance.now()];
  const times = await load(url, ms);
  const seconds = (performance.now() - at) / 1000;
  return { core: (cpuSeconds(pid) - cpu) / seconds, p99: percentile(times, 0.99) };
}

/** Asks at a steady rate; resolves with how long each small answer took, ms. */
async function load(url: string, ms: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true });
  const asked: Promise<number>[] = [];
  for (let n = 0; n < (ms * PER_SECOND) / 1000; n += 1) {
    asked.push(ask(url, agent));
    await new Promise((resolve) => setTimeout(resolve, 1000 / PER_SECOND));
  }
  const times = await Promise.all(asked);
  agent.destroy();
  return times;
}

function ask(url: string, agent: Agent): Promise<number> {
  const body = JSON.stringify({ model: 'm', prompt: 'Hi', stream: false, options: { num_predict: 2 } });
  return new Promise((resolve, reject) => {
    const since = performance.now();
    const sent = request(`${url}/api/generate`, { method: 'POST', agent }, (answer) => {
      if (answer.statusCode !== 200) return reject(new Error(`${url} answered ${answer.statusCode}`));
      answer.resume().once('end', () => resolve(performance.now() - since));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Opens a stream of events and reads it until the returned function is called. */
function open(url: string): () => void {
  const sent = get(url, { headers: { accept: 'text/event-stream' } }, (answer) => void answer.resume());
  sent.on('error', () => {});
  return () => void sent.destroy();
}
