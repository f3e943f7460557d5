import { Agent } from 'node:http';
import type { FleetWorld } from '../../fleet/world.ts';
import { ask } from './ask.ts';
import type { OtherProxy } from './config.ts';
import type { Contender } from './contender.ts';
import { startGpus } from './gpus.ts';

/** Where the GPUs of other proxies listen, so that these can be told before the run; ten ports for each proxy. */
const FIRST_PORT = 11_700;

/** The addresses that the proxy number `index` has to be set up with. Pure. */
export function portsOf(world: FleetWorld, index: number): readonly string[] {
  return world.gpus.map((_, i) => `http://127.0.0.1:${FIRST_PORT + 10 * index + i}`);
}

/** Starts GPUs for a proxy that runs already. Rejects when their ports are taken. */
export async function startOther(
  { name, url }: OtherProxy,
  index: number,
  world: FleetWorld,
  dist: string,
): Promise<Contender> {
  const gpus = await startGpus({ world, dist, firstPort: FIRST_PORT + 10 * index });
  const agent = new Agent({ keepAlive: true, noDelay: true });
  return {
    name,
    hopeless: false,
    send: (arrival, _turn, cut) => ask(url, agent, arrival, cut),
    loads: async () => (await gpus.counters()).loads,
    [Symbol.asyncDispose]: () => {
      agent.destroy();
      return gpus[Symbol.asyncDispose]();
    },
  };
}
