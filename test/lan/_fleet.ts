import { fileURLToPath } from 'node:url';
import type { SimulatedOllamaOptions } from '../../src/simulate/ollama.ts';
import { type Daemon, startDaemon } from '../_daemon.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import type { LabHost } from './_lab.ts';

/** Where client mode listens on the laptop. */
export const LOCAL_FACE = 'http://127.0.0.1:11435';

/** Server mode on a host, its Ollama expected on 127.0.0.1:11434 of the same host. */
export function serveOn(host: LabHost, args: readonly string[] = []): Promise<Daemon> {
  return daemonOn(host, ['serve', '--name', host.name, ...args]);
}

/** Client mode on a host, at LOCAL_FACE. */
export function clientOn(host: LabHost, args: readonly string[] = []): Promise<Daemon> {
  return daemonOn(host, args);
}

function daemonOn(host: LabHost, args: readonly string[]): Promise<Daemon> {
  return startDaemon({ args, launch: (command, line, env) => host.spawn(command, line, { env }) });
}

const SIMULATED = fileURLToPath(new URL('_sim-main.mjs', import.meta.url));

/** Starts a simulated Ollama on 127.0.0.1:11434 of a host; `stop('SIGKILL')` ends it as a crash would. */
export async function simulatedOn(
  host: LabHost,
  options: Omit<SimulatedOllamaOptions, 'clock' | 'answer'> & { readonly answer?: string } = {},
): Promise<TestProcess> {
  const line = JSON.stringify({ port: 11434, label: host.name, ...options });
  const started = host.node([SIMULATED, line]);
  await started.waitFor(/listening/);
  return started;
}

/** Resolves when `client`'s own ollana lists all of these models. */
export async function untilListed(client: LabHost, models: readonly string[], ms = 10_000): Promise<void> {
  await until(ms, `models ${models.join(', ')} on ${client.name}`, async () => {
    const answer = await client.http(`${LOCAL_FACE}/api/tags`, { timeoutMs: ms });
    const names = (answer.json() as { models?: { name: string }[] }).models?.map((model) => model.name) ?? [];
    return models.every((model) => names.includes(model) || names.includes(`${model}:latest`));
  });
}

export interface SeenServer {
  readonly name: string;
  /** Where it is used. */
  readonly url: string;
  /** By which ways it is known. */
  readonly sources: readonly string[];
  readonly verdict: string;
  readonly models: readonly string[];
  readonly loaded: readonly string[];
}

/** The servers that `client`'s ollana knows, and what it knows of them. */
export async function serversSeenBy(client: LabHost): Promise<readonly SeenServer[]> {
  const answer = await client.http(`${LOCAL_FACE}/ollana/api/status`);
  return (answer.json() as { servers: SeenServer[] }).servers;
}

/** Resolves when `client`'s ollana knows of so many servers that they have a model in memory. */
export async function untilLoaded(client: LabHost, servers: number): Promise<void> {
  await until(20_000, `${servers} servers with a model in memory`, async () => {
    const seen = await serversSeenBy(client);
    return seen.filter(({ models, loaded }) => models.length > 0 && loaded.length > 0).length === servers;
  });
}
