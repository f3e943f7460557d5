import { Agent } from 'node:http';
import type { FleetWorld } from '../../fleet/world.ts';
import type { BenchConfig } from '../config.ts';
import { type OllanaDaemon, startOllana } from '../ollana-daemon.ts';
import { ask } from './ask.ts';
import { cardTools } from './card-tool.ts';
import type { FleetConfig } from './config.ts';
import { type Contender, OURS } from './contender.ts';
import { startGpus } from './gpus.ts';

/** A laptop that has not found all servers by then never will, ms. */
const READY_MS = 15_000;

/**
 * Starts an `ollana serve` in front of each GPU, with `cards` on a machine that tells its card's memory, and as many
 * laptops as `clients`, each with an ollana of its own that has learned nothing yet; the apps are dealt out to them.
 * Rejects when one does not find all servers.
 */
export async function startOurs(
  world: FleetWorld,
  { clients, cards }: Pick<FleetConfig, 'clients' | 'cards'>,
  config: BenchConfig,
): Promise<Contender> {
  const running: AsyncDisposable[] = [];
  const stop = async () => {
    for (const part of running.reverse()) await part[Symbol.asyncDispose]();
  };
  try {
    const gpus = await startGpus({ world, dist: config.dist });
    running.push(gpus);
    const tools = cardTools(world.gpus);
    running.push({ [Symbol.asyncDispose]: async () => tools[Symbol.dispose]() });
    const servers = await Promise.all(
      gpus.urls.map((url, i) =>
        startOllana(
          `serve-${i}`,
          ['serve', '--name', `gpu-${i}`, '--ollama', url],
          config,
          cards ? { PATH: tools.path(i) } : {},
        ),
      ),
    );
    running.push(...servers);
    const args = servers.flatMap(({ url }) => ['--server', url]);
    const laptops = await Promise.all(
      Array.from({ length: clients }, (_, i) =>
        startOllana(`laptop-${i}`, ['--name', `laptop-${i}`, '--no-local-fallback', ...args], config),
      ),
    );
    running.push(...laptops);
    await Promise.all(laptops.map((laptop) => knowsAll(laptop, servers.length)));
    const agent = new Agent({ keepAlive: true, noDelay: true });
    return {
      name: OURS,
      hopeless: false,
      send: (arrival, _turn, cut) => ask(laptops[arrival.app % clients]?.url ?? '', agent, arrival, cut),
      loads: async () => (await gpus.counters()).loads,
      [Symbol.asyncDispose]: () => {
        agent.destroy();
        return stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function knowsAll({ url }: OllanaDaemon, count: number): Promise<void> {
  for (let waited = 0; waited < READY_MS; waited += 50) {
    const status = (await (await fetch(`${url}/ollana/api/status`)).json()) as {
      servers: { kind: string; models: unknown[] }[];
    };
    const known = status.servers.filter(({ kind, models }) => kind === 'ollana' && models.length > 0);
    if (known.length === count) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`an ollana has not found its ${count} servers within ${READY_MS / 1000} s`);
}
