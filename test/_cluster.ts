import { join } from 'node:path';
import { type Clock, systemClock } from '../src/clock.ts';
import type { ClientConfig, ServerConfig } from '../src/config.ts';
import { startClient } from '../src/daemon/client.ts';
import type { Daemon } from '../src/daemon/daemon.ts';
import { startServer } from '../src/daemon/server.ts';
import type { ServerStatus } from '../src/daemon/status.ts';
import type { Log } from '../src/observe/log.ts';
import {
  type SimulatedOllama,
  type SimulatedOllamaOptions,
  startSimulatedOllama,
} from '../src/simulate/ollama.ts';
import { clientConfig, commonConfig, TestLog } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';

export interface ClusterOptions {
  /** One simulated Ollama each; default one with its default model. */
  readonly ollamas?: readonly SimulatedOllamaOptions[];
  /** Name of the model that each Ollama has loaded, in their order. */
  readonly loaded?: readonly (string | undefined)[];
  /** Puts a server-mode ollana before each simulated Ollama. */
  readonly serve?: boolean;
  /** Further `URL[=name]` for the client, which is not waited for. */
  readonly servers?: readonly string[];
  readonly client?: Partial<ClientConfig>;
  readonly server?: Partial<ServerConfig>;
  /** Time of the daemons and of the simulated Ollamas; default the machine's. */
  readonly clock?: Clock;
}

export interface Cluster extends AsyncDisposable {
  /** Of the client-mode daemon. */
  readonly url: string;
  readonly client: Daemon;
  /** Server-mode daemons, one before each simulated Ollama, or none. */
  readonly servers: readonly Daemon[];
  readonly ollamas: readonly SimulatedOllama[];
  readonly log: TestLog;
  /** The client's view of the server before simulated Ollama `i`. */
  view(i: number): ServerStatus;
}

/** Both topologies that every rule has to hold in. */
export const TOPOLOGIES = [
  { path: 'client -> Ollama', serve: false },
  { path: 'client -> serve -> Ollama', serve: true },
];

/**
 * Starts simulated Ollamas named a, b, c ..., perhaps server-mode daemons, and a client-mode daemon that names them
 * by URL, all in this process. Resolves when the client has read the lists of all of them.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const clock = options.clock ?? systemClock;
  const folder = temporaryDirectory('cluster');
  const ollamas: SimulatedOllama[] = [];
  const servers: Daemon[] = [];
  const log = new TestLog();
  let client: Daemon | undefined;
  const end = async () => {
    await client?.stop();
    for (const server of servers) await server.stop();
    for (const ollama of ollamas) await ollama[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  };
  try {
    for (const [i, one] of (options.ollamas ?? [{}]).entries()) {
      ollamas.push(await startSimulatedOllama({ clock, label: nameOf(i), ...one }));
      const model = options.loaded?.[i];
      if (model !== undefined) await ollamas[i]?.load(model);
    }
    if (options.serve) {
      for (const [i, { url }] of ollamas.entries()) {
        const common = commonConfig(join(folder.path, `server-${i}`), { ollama: url, name: nameOf(i) });
        const config = { ...common, mode: 'server', allow: new Set(), ...options.server } as ServerConfig;
        servers.push(await startServer(config, UNREAD_LOG, { clock }));
      }
    }
    const upstreams = options.serve ? servers : ollamas;
    const named = upstreams.map(({ url }, i) => `${url}=${nameOf(i)}`);
    const config = clientConfig(join(folder.path, 'client'), {
      name: 'laptop',
      servers: [...named, ...(options.servers ?? [])],
      ...options.client,
    });
    const daemon = await startClient(config, log, { clock });
    client = daemon;
    const view = (i: number) => {
      const found = daemon.status().servers.find(({ name }) => name === nameOf(i));
      if (!found) throw new Error(`the client does not know server ${nameOf(i)}`);
      return found;
    };
    await until(5000, 'the client to know its servers', () =>
      ollamas.every((ollama, i) => {
        const { verdict, models, loaded, version } = view(i);
        const whole = models.length === ollama.models.list().length && version !== undefined;
        const warm = options.loaded?.[i] === undefined || loaded.length > 0;
        return verdict === 'reliable' && whole && warm;
      }),
    );
    return { url: daemon.url, client: daemon, servers, ollamas, log, view, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

const nameOf = (i: number): string => String.fromCharCode(97 + i);

/** Takes what nobody looks at, and keeps none of it. */
const UNREAD_LOG: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  flush: () => {},
  writes: () => true,
};

/** A client-mode daemon before servers that a test made itself; resolves when it knows all of them. */
export async function startBefore(
  urls: readonly string[],
  more: Partial<ClientConfig> = {},
  clock: Clock = systemClock,
): Promise<AsyncDisposable & { readonly url: string; readonly client: Daemon; readonly log: TestLog }> {
  const cluster = await startCluster({ ollamas: [], servers: urls, client: more, clock });
  try {
    await until(5000, 'the client to know its servers', () => {
      const { servers } = cluster.client.status();
      return (
        servers.length === urls.length && servers.every(({ version, models }) => version && models.length > 0)
      );
    });
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}
