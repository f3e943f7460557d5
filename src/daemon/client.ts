import { type Clock, systemClock } from '../clock.ts';
import { type ClientConfig, DEFAULTS } from '../config.ts';
import { BeaconClient } from '../discovery/beacon-client.ts';
import { ServerFile } from '../discovery/server-file.ts';
import type { DiscoverySource } from '../discovery/sighting.ts';
import { StaticServers } from '../discovery/static.ts';
import type { Log } from '../observe/log.ts';
import { narrateDiscovery } from '../observe/narrate.ts';
import { pathOf } from '../ollama/routes.ts';
import { Home } from '../routing/home.ts';
import { targetsFor } from '../routing/targets.ts';
import { startCore } from './core.ts';
import type { Daemon } from './daemon.ts';
import { explainClient } from './explain.ts';

/**
 * How long a request waits for a server, ms: one that runs a model outlives a server's restart; a list or a
 * look-up waits one round of discovery, because somebody sits in front of it.
 */
const HOLD_MS = { inference: 30_000, other: 2000 };

/**
 * Starts client mode: the local face, and everything that learns of servers. Resolves when apps can connect;
 * servers may still be unknown then. Rejects with the codes of `startCore` and of the discovery sources.
 */
export async function startClient(
  config: ClientConfig,
  log: Log,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<Daemon> {
  const home = new Home(clock);
  const sources: DiscoverySource[] = [];
  const core = await startCore({
    config,
    log,
    clock,
    exposure: undefined,
    holdMs: HOLD_MS,
    explain: explainClient,
    admit: () => {},
    target: ({ route, target, named }, { model, unloads, source }, pool) => {
      const path = pathOf(target);
      const facts = { routeClass: route.class, path, model, unloads, source, named, home: home.deviceId };
      const targets = targetsFor(facts, pool);
      // Blobs come side by side: the second one must not be placed anew while the first is on its way.
      const [first] = targets.type === 'one-of' && route.path === '/api/blobs/' ? targets.servers : [];
      if (first) home.set(first.deviceId);
      return targets;
    },
    onManaged: ({ route }, deviceId) => {
      if (route.path === '/api/blobs/') home.set(deviceId);
    },
    told: () => [],
    seek: () => {
      for (const source of sources) source.refresh();
    },
  });
  const onSighting = core.fleet.sight;
  const onNotice = narrateDiscovery(log);
  const daemon = core.daemon(sources);
  try {
    if (config.servers.length > 0) sources.push(new StaticServers({ servers: config.servers, onSighting }));
    if (config.serverFile)
      sources.push(new ServerFile({ file: config.serverFile, clock, onSighting, onNotice }));
    if (config.udp) {
      sources.push(
        new BeaconClient({
          port: config.discoveryPort,
          httpPort: DEFAULTS.port,
          interfaces: config.interfaces,
          clock,
          onSighting,
          onNotice,
        }),
      );
    }
    for (const source of sources) await source.start();
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  if (config.localFallback) {
    onSighting({ source: 'local', url: config.ollama, leaseMs: Number.POSITIVE_INFINITY });
  }
  log.info('ollana is ready', { mode: 'client', url: daemon.url });
  return daemon;
}
