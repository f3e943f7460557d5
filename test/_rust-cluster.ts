import { systemClock } from '../src/clock.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { startCluster } from './_cluster.ts';
import { until } from './_deadline.ts';
import { type RustServerOptions, startRustServer } from './_rust-server.ts';

/** How long an address may take to say who it is. */
export const LIMITS = { clock: systemClock, connectTimeoutMs: 1000, timeoutMs: 5000 };

/** A client-mode ollana that knows a Rust server, with an Ollama of its own behind it, and an Ollama besides. */
export async function start(options: Omit<RustServerOptions, 'ollama'>) {
  const behind = await startSimulatedOllama({ models: [{ name: 'old', tokensPerSecond: 200 }] });
  const rust = await startRustServer({ ...options, ollama: behind.url });
  const cluster = await startCluster({ servers: [`${rust.url}=rust`], client: { holdMs: 1000 } });
  return {
    behind,
    rust,
    cluster,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]();
      await rust[Symbol.asyncDispose]();
      await behind[Symbol.asyncDispose]();
    },
  };
}

/** What `start` has started. */
export type Started = Awaited<ReturnType<typeof start>>;

/** Resolves when the client lists what the Rust server holds. */
export const untilKnown = ({ cluster }: Started) =>
  until(5000, 'the Rust server to be known', () =>
    cluster.client.status().servers.some(({ name, models }) => name === 'rust' && models.length === 1),
  );

/** What the client says of the Rust server. */
export const seen = ({ cluster, rust }: Started) =>
  cluster.client.status().servers.find(({ url }) => url === rust.url);
