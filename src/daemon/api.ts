import { networkInterfaces } from 'node:os';
import type { Cancel, Clock } from '../clock.ts';
import type { CommonConfig } from '../config.ts';
import { AddedServers, addedFile } from '../discovery/added-servers.ts';
import type { OnNotice } from '../discovery/notice.ts';
import { Registrations } from '../discovery/registrations.ts';
import { parseServer } from '../discovery/static.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Exchange } from '../proxy/exchange.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { healthPath } from './health-path.ts';
import { Jobs } from './jobs.ts';
import { followServers } from './live-servers.ts';
import { type NodesPathsOptions, nodesPaths } from './nodes-paths.ts';
import type { Reloader } from './reload.ts';
import { reloadPath } from './reload-path.ts';
import { isSameDevice } from './same-device.ts';
import { serverPaths } from './server-paths.ts';
import type { StatusReport } from './status.ts';

export interface ApiOptions {
  readonly config: CommonConfig & { readonly mode: 'client' | 'server' };
  readonly clock: Clock;
  readonly fleet: Fleet;
  /** Makes connections to others as is required, each anew. */
  readonly fresh: PathAgent;
  readonly status: () => StatusReport;
  readonly pool: NodesPathsOptions['pool'];
  readonly endedAt: NodesPathsOptions['endedAt'];
  readonly draining: () => boolean;
  /** Asks the network for servers at once. */
  readonly seek: () => void;
  /** Servers may post themselves. */
  readonly acceptsRegistrations: boolean;
  readonly onNotice: OnNotice;
  /** Where this machine's apps reach the daemon; asked when it listens. */
  readonly url: () => string;
  /** Changes `config` while it runs; absent: nobody does. */
  readonly reloader?: Reloader | undefined;
}

/** What programs can tell and ask a running daemon about its servers, over HTTP, and the servers that come that way. */
export class Api implements AsyncDisposable {
  readonly #added: AddedServers;
  readonly #jobs: Jobs;
  readonly #unfollow: Cancel;
  readonly #paths: readonly ((exchange: Exchange) => boolean)[];

  /** Throws OLLANA_BAD_OPTION for a configured server that is not understood. */
  constructor(options: ApiOptions) {
    const { config, clock, fleet, status, seek, onNotice } = options;
    const { mode, connectTimeoutMs } = config;
    const fixed = fixedUrls(config);
    this.#added = new AddedServers({
      file: addedFile(config.dataDir, mode),
      fixed,
      clock,
      onSighting: fleet.sight,
      onNotice,
    });
    const { reloader } = options;
    const always = mode === 'server' ? [config.ollama] : [];
    const follows = { fixed, always, added: this.#added, onSighting: fleet.sight };
    this.#unfollow = reloader ? followServers({ reloader, ...follows }) : () => {};
    const registrations = options.acceptsRegistrations
      ? new Registrations({
          clock,
          onSighting: fleet.sight,
          interfaces: networkInterfaces,
          isSameDevice: (url, other) =>
            isSameDevice(url, other, { clock, agent: options.fresh, connectTimeoutMs }),
        })
      : undefined;
    this.#jobs = new Jobs({ mode, clock, url: options.url });
    this.#paths = [
      serverPaths({ config, clock, fleet, added: this.#added, status, seek }),
      nodesPaths({ ...options, mode, registrations }),
      healthPath({ whyNotReady: () => whyNotReady(status()), draining: options.draining }),
      (exchange) => this.#jobs.answers(exchange),
      reloadPath(clock, reloader),
    ];
  }

  /** Jobs that have not been answered to the end. */
  get open(): number {
    return this.#jobs.open;
  }

  /** Claims the servers that were kept. Never rejects. */
  start(): Promise<void> {
    return this.#added.start();
  }

  /** Answers the paths that are the API's; returns false for all others. */
  answers = (exchange: Exchange): boolean => this.#paths.some((answers) => answers(exchange));

  [Symbol.asyncDispose](): Promise<void> {
    this.#unfollow();
    return this.#added[Symbol.asyncDispose]();
  }
}

/** Why a request would find no server. Pure. */
function whyNotReady({ servers, ollama }: StatusReport): string | undefined {
  if (ollama) return ollama.up ? undefined : `the Ollama at ${ollama.url} does not answer`;
  if (servers.some(({ verdict }) => verdict === 'reliable')) return undefined;
  return servers.length === 0 ? 'no server has been found' : 'no server that is known answers';
}

/** What the configuration claims as static for good, in either mode. */
function fixedUrls({ mode, servers, ollama }: ApiOptions['config']): Set<string> {
  return new Set([
    ...servers.map((server) => parseServer(server).url),
    ...(mode === 'server' ? [ollama] : []),
  ]);
}
