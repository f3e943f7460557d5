import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchConfig } from './config.ts';
import { freePort } from './ollana-daemon.ts';
import { median } from './stats.ts';

/** What is started; Node alone, which ends by itself, is the least that a start can take. */
const STARTS = { node: undefined, client: [], serve: ['serve'] } as const;
type StartName = keyof typeof STARTS;
/** Starts of each kind in a round. */
const PER_ROUND = 4;
/** Between two attempts to connect, ms. */
const LOOK_MS = 4;
/** A start that takes longer has failed, ms. */
const MOST_MS = 15_000;
/** Median of either start, ms: what is asked of one on Node 20, the slowest to load modules. */
const BOUND_MS = 400;

export interface StartReport {
  readonly node: string;
  /** Above 0.5 or so other programs were running, and the figures are theirs, too. */
  readonly loadAverageAtStart: number;
  /** Until connections are taken, ms. */
  readonly starts: Readonly<Record<StartName, readonly number[]>>;
}

/** How long `ollana` and `ollana serve` take until they take connections, in turn. Rejects when one does not start. */
export async function runStart(config: BenchConfig, tell: (text: string) => void): Promise<StartReport> {
  const [loadAverageAtStart = Number.NaN] = loadavg();
  const starts: Record<StartName, number[]> = { node: [], client: [], serve: [] };
  // The first ones find nothing in the caches of the system.
  for (let round = 0; round <= config.rounds; round += 1) {
    tell(round === 0 ? 'warming up' : `round ${round} of ${config.rounds}`);
    for (let i = 0; i < PER_ROUND; i += 1) {
      for (const [name, args] of Object.entries(STARTS) as [StartName, readonly string[] | undefined][]) {
        const ms = args ? await startOnce(join(config.dist, 'cli.js'), args) : await bareNode();
        if (round > 0) starts[name].push(ms);
      }
    }
  }
  return { node: process.version, loadAverageAtStart, starts };
}

async function bareNode(): Promise<number> {
  const began = performance.now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - began;
}

/** Starts ollana once with a new data directory, and kills it when it takes connections. */
async function startOnce(cli: string, args: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'ollana-bench-start-'));
  const port = await freePort();
  const own = ['--port', String(port), '--data-dir', folder, '--no-udp', '--no-mdns'];
  const env = { ...process.env, OLLANA_INTERFACE: 'lo' };
  const began = performance.now();
  const child = spawn(process.execPath, [cli, ...args, ...own], { stdio: 'ignore', env });
  const gone = once(child, 'exit');
  try {
    while (!(await takesConnections(port))) {
      if (child.exitCode !== null) throw new Error(`ollana ${args.join(' ')} ended at once`);
      if (performance.now() - began > MOST_MS)
        throw new Error(`ollana ${args.join(' ')} took over ${MOST_MS / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    return performance.now() - began;
  } finally {
    child.kill('SIGKILL');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** The report as text. Pure. */
export function startText({ node, loadAverageAtStart, starts }: StartReport): string {
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  const titles: Readonly<Record<StartName, string>> = {
    node: 'Node alone',
    client: 'ollana',
    serve: 'ollana serve',
  };
  const met = [starts.client, starts.serve].every((each) => median(each) < BOUND_MS);
  return [
    `${starts.client.length} starts each on ${node}, load average ${loadAverageAtStart.toFixed(2)} before`,
    ...(Object.entries(titles) as [StartName, string][]).map(([name, title]) => {
      const each = starts[name];
      return `${title.padEnd(14)} min ${ms(Math.min(...each))}   median ${ms(median(each))}   max ${ms(Math.max(...each))}`;
    }),
    `${met ? 'met' : 'NOT met'}: median below ${BOUND_MS} ms until connections are taken`,
  ].join('\n');
}
