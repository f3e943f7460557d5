import type { ServerLoad } from '../fleet/load.ts';
import type { PoolServer } from '../fleet/pool.ts';
import type { Desks } from './desks.ts';

/**
 * What runs and waits at the servers: what they tell, and where the queue is kept here what is in it. Of an Ollama
 * elsewhere that runs nothing of ours nothing is known; the one at `ownUrl` is this machine's.
 */
export function* knownLoads(pool: readonly PoolServer[], desks: Desks, ownUrl: string): Iterable<ServerLoad> {
  for (const server of pool) {
    const isOurs = server.inFlight > 0 || server.url === ownUrl;
    const load = server.load ?? (isOurs ? desks.of(server).load() : undefined);
    if (load) yield load;
  }
}
