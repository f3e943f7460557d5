import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { WORLDS } from '../../fleet/world.ts';
import { isStale } from '../stale.ts';
import type { FleetConfig } from './config.ts';
import { portsOf } from './others.ts';
import { type FleetReport, runTable } from './report.ts';
import { type FleetRun, runWorkload } from './run.ts';

/** More than the largest world has: GPUs and their servers, laptops, references, other proxies. */
const MAX_CHILDREN = 100;

/**
 * Where requests end sooner: real ollanas and reference schedulers, each in front of simulated GPUs of its own, all
 * given the same arrivals at the same time. Rejects when a process does not start.
 */
export async function runFleet(config: FleetConfig, tell: (text: string) => void): Promise<FleetReport> {
  const { world, dist, also, clients, drift } = config;
  if (!existsSync(join(dist, 'cli.js')))
    throw new Error(`nothing compiled in ${dist}: run 'npm run build' first`);
  if (isStale(join(import.meta.dirname, '../../../src'), dist)) {
    tell(`${dist} is older than src: these figures are not those of the present sources`);
  }
  for (const [i, { name }] of also.entries()) {
    tell(`${name} is to use ${portsOf(WORLDS[world], i).join(' ')}`);
  }
  // Each child ends with this process, by a listener of its own.
  process.setMaxListeners(MAX_CHILDREN);
  const loadAverageAtStart = loadavg()[0] ?? Number.NaN;
  const runs: FleetRun[] = [];
  for (const load of config.loads) {
    for (const seed of config.seeds) {
      const run = await runWorkload(config, load, seed);
      runs.push(run);
      tell(runTable(run, config));
    }
  }
  return {
    world,
    clients,
    drift,
    node: process.version,
    cores: cpus().length,
    loadAverageAtStart,
    runs,
    met: runs.every(({ verdicts }) => verdicts.every(({ met }) => met)),
  };
}
