import { type Clock, systemClock } from '../clock.ts';
import { DEFAULTS, type ServerConfig } from '../config.ts';
import { BeaconServer } from '../discovery/beacon-server.ts';
import { OllanaError } from '../errors.ts';
import { toldHeaders } from '../fleet/told.ts';
import type { Log } from '../observe/log.ts';
import { narrateDiscovery } from '../observe/narrate.ts';
import { isCloudModel } from '../ollama/names.ts';
import { FreeMemory } from '../server/free-memory.ts';
import { startCore } from './core.ts';
import type { Daemon } from './daemon.ts';
import { explainServer } from './explain.ts';

/** A peer is told at once that Ollama is away, so that it can try another server. */
const HOLD_MS = { inference: 0, other: 0 };

/**
 * Starts server mode: the LAN face in front of this machine's Ollama, announced on the network for as long as
 * that Ollama answers; which of the two starts first does not matter. Rejects with the codes of `startCore`.
 */
export async function startServer(
  config: ServerConfig,
  log: Log,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<Daemon> {
  const manage = config.allow.has('manage');
  const memory = new FreeMemory(clock);
  const core = await startCore({
    config,
    log,
    clock,
    exposure: { manage },
    holdMs: HOLD_MS,
    seek: () => {},
    target: () => ({ type: 'any' }),
    onManaged: () => {},
    told: ({ route, fromHere }) =>
      route.path === '/api/version'
        ? toldHeaders({ allowsManage: fromHere || manage, freeMemoryBytes: memory.bytes() })
        : [],
    explain: (fleet) => explainServer(fleet, config.ollama),
    admit: ({ fromHere, route }, { model, unread }) => {
      if (fromHere) return;
      if (unread && route.class === 'inference') {
        throw new OllanaError(
          'OLLANA_BAD_REQUEST',
          'this request cannot be looked through for its model, so it is refused from other machines: send it smaller, or not compressed',
          { status: 413 },
        );
      }
      if (model === undefined || !isCloudModel(model)) return;
      throw new OllanaError(
        'OLLANA_NOT_ALLOWED',
        `${model} runs on ollama.com on this machine's account, so it is refused from other machines; use it on that machine`,
        { status: 403 },
      );
    },
  });
  const { fleet, deviceId, port } = core;
  const beacon = new BeaconServer({
    port: config.discoveryPort,
    httpPort: port,
    defaultHttpPort: DEFAULTS.port,
    interfaces: config.interfaces,
    deviceId,
    name: config.name,
    clock,
    onNotice: narrateDiscovery(log),
  });
  const daemon = core.daemon(config.udp ? [beacon] : []);
  if (config.udp) {
    beacon.setSpeaking(false);
    let speaking = false;
    fleet.onChange(() => {
      const up = fleet.servers()[0]?.verdict.state === 'reliable';
      if (up === speaking) return;
      speaking = up;
      if (up) log.info('Ollama answers: announcing this server', { ollama: config.ollama });
      else log.warn('Ollama is away: silent until it is back', { ollama: config.ollama });
      beacon.setSpeaking(up);
    });
    try {
      await beacon.start();
    } catch (error) {
      await daemon.stop();
      throw error;
    }
  }
  fleet.sight({ source: 'static', url: config.ollama, name: config.name, leaseMs: Number.POSITIVE_INFINITY });
  log.info('ollana is ready', { mode: 'server', url: daemon.url, ollama: config.ollama });
  return daemon;
}
