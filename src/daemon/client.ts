import { type Clock, systemClock } from '../clock.ts';
import { isLoopbackHost } from '../config/host.ts';
import type { ClientConfig } from '../config.ts';
import type { DiscoverySource } from '../discovery/sighting.ts';
import type { Log } from '../observe/log.ts';
import { pathOf } from '../ollama/routes.ts';
import { Home } from '../routing/home.ts';
import { targetsFor } from '../routing/targets.ts';
import { MOST_PARALLEL } from '../server/ollama-limits.ts';
import { kindOf, slotsIfKnown } from '../server/slots.ts';
import { startCore } from './core.ts';
import type { Daemon } from './daemon.ts';
import { ownEntry } from './entries.ts';
import { explainClient } from './explain.ts';
import { refuseCloud, unreadable } from './peer-admission.ts';
import type { Reloader } from './reload.ts';
import { SleepingServers } from './sleeping-servers.ts';
import { sourcesOf } from './sources.ts';
import { TakenPort } from './taken-port.ts';

/**
 * What does not run a model waits one round of discovery for a server, ms, and no longer: somebody sits in front
 * of a list or a look-up.
 */
const HOLD_OTHER_MS = 2000;

/**
 * Starts client mode: the local face, and everything that learns of servers. Resolves when apps can connect;
 * servers may still be unknown then. Rejects with the codes of `startCore` and of the discovery sources.
 */
export async function startClient(
  config: ClientConfig,
  log: Log,
  { clock = systemClock, reloader }: { readonly clock?: Clock; readonly reloader?: Reloader } = {},
): Promise<Daemon> {
  const home = new Home(clock);
  const sources: DiscoverySource[] = [];
  const sleeping = config.wake ? new SleepingServers({ config, clock, log }) : undefined;
  const core = await startCore({
    config,
    log,
    clock,
    forAll: () => new Set(),
    holdMs: liveHold(config),
    reloader,
    admit: ({ fromHere }, asked) => {
      if (fromHere) return;
      refuseCloud(asked);
      // This machine's own Ollama could find a cloud model in it.
      if (asked.unread && config.localFallback) throw unreadable();
    },
    policy: config.policy,
    liberties: {
      raceWidth: config.policy === 'race' ? config.raceWidth : undefined,
      substitute: config.substitute,
      protectContext: config.protectContext,
      autoPull: config.autoPull,
      waker: sleeping,
    },
    // An Ollama elsewhere does not tell how many requests it runs at once. Who has no choice has nothing to gain from
    // keeping a request back, and sees how many run.
    slots: (model, facts, holders) =>
      slotsIfKnown(undefined, kindOf(model, facts)) ?? (holders > 1 ? undefined : MOST_PARALLEL),
    rules: ({ deviceId, fleet }) => ({
      explain: explainClient(fleet),
      entry: ownEntry(deviceId),
      target: ({ route, target, named }, { model, unloads, source }, pool) => {
        const path = pathOf(target);
        const facts = { routeClass: route.class, path, model, unloads, source, named, home: home.deviceId };
        const targets = targetsFor(facts, pool);
        // Set when a blob is placed: the next one comes side by side with it, and must not be placed anew while it
        // is on its way. Set again below when it has been sent: the server first thought of may have been away, and
        // the create must find the one that got it. Neither moment alone knows both.
        const [first] = targets.type === 'one-of' && route.path === '/api/blobs/' ? targets.servers : [];
        if (first) home.set(first.deviceId);
        return targets;
      },
    }),
    onManaged: ({ route }, deviceId) => {
      if (route.path === '/api/blobs/') home.set(deviceId);
    },
    told: () => [],
    seek: () => {
      for (const source of sources) source.refresh();
    },
    acceptsRegistrations: config.acceptRegistrations,
  });
  const onSighting = core.fleet.sight;
  const onNotice = core.emit;
  const onTraffic = core.emit;
  const [face] = core.face.servers;
  const taken = config.takePort && face ? new TakenPort({ face, clock, log }) : undefined;
  const ends: AsyncDisposable[] = [...(taken ? [taken] : []), ...(sleeping ? [sleeping] : [])];
  const daemon = core.daemon(ends);
  try {
    await sleeping?.start(core);
    sources.push(...sourcesOf({ config, clock, onSighting, onNotice, onTraffic }));
    ends.push(...sources);
    for (const source of sources) await source.start();
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  if (config.localFallback) {
    onSighting({ source: 'local', url: config.ollama, leaseMs: Number.POSITIVE_INFINITY });
  }
  if (config.acceptRegistrations && isLoopbackHost(config.host)) {
    const message = 'servers of other machines cannot register: this ollana listens on loopback only';
    log.warn(`${message}; --host 0.0.0.0 opens it to the network`, { host: config.host });
  }
  await taken?.start();
  log.info('ollana is ready', { mode: 'client', url: daemon.url });
  return daemon;
}

/** How long requests wait, as configured at the moment, ms. */
function liveHold(config: ClientConfig) {
  return {
    get inference() {
      return config.holdMs;
    },
    get other() {
      return Math.min(config.holdMs, HOLD_OTHER_MS);
    },
  };
}
