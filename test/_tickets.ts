import type { SimulatedOllama, SimulatedOllamaOptions } from '../src/simulate/ollama.ts';
import { type Cluster, startCluster } from './_cluster.ts';
import { startGate } from './_door.ts';

/** Words of an answer, 5 ms each; a `steady` one takes longer than what is told of a load is old. */
const LENGTHS: Readonly<Record<string, number>> = { steady: 20 };

/**
 * Ollamas that would run a hundred at once, each behind an ollana that is told of one slot: the most that one ever
 * ran is what was let through to it. Behind a closed gate an answer ends no more.
 */
export async function start(
  count: number,
  loaded: readonly (string | undefined)[] = Array(count).fill('m'),
  speeds: readonly number[] = Array(count).fill(200),
) {
  const gate = startGate();
  const ollamas = speeds.map(
    (tokensPerSecond): SimulatedOllamaOptions => ({
      models: [{ name: 'm', tokensPerSecond }],
      numParallel: 100,
      answer: (prompt) => 'word '.repeat(LENGTHS[prompt] ?? 2).trim(),
      clock: gate.clock,
    }),
  );
  return Object.assign(await startCluster({ serve: true, ollamas, loaded, server: { parallel: 1 } }), {
    gate,
  });
}

/** Where the ollana before an Ollama listens. */
export const serverUrl = (cluster: Cluster, i = 0) => cluster.servers[i]?.url ?? '';

/** The Ollama behind an ollana. */
export const ollamaOf = (cluster: Cluster, i = 0) => cluster.ollamas[i] as SimulatedOllama;

/** The last words of each chat that an Ollama has seen, in the order they came. */
export function askedOf({ seen }: SimulatedOllama): string[] {
  return seen
    .filter(({ path }) => path === '/api/chat')
    .map(({ body }) => JSON.parse(String(body)).messages.at(-1).content as string);
}
