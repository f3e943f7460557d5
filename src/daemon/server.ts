import { type Clock, systemClock } from '../clock.ts';
import { VERSION } from '../config/version.ts';
import { DEFAULTS, type ServerConfig } from '../config.ts';
import { BeaconServer } from '../discovery/beacon-server.ts';
import { MdnsAdvertiser } from '../discovery/mdns-advertiser.ts';
import type { DiscoverySource } from '../discovery/sighting.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import { toldHeaders } from '../fleet/told.ts';
import { onlyAt } from '../fleet/view.ts';
import type { Log } from '../observe/log.ts';
import { LanPull } from '../proxy/lan-pull.ts';
import { cardBytes } from '../server/card-fit.ts';
import { Feed } from '../server/feed.ts';
import { FreeMemory } from '../server/free-memory.ts';
import { GpuTool } from '../server/gpu-tool.ts';
import { MachineReader } from '../server/machine-reader.ts';
import { ModelDisk } from '../server/model-disk.ts';
import { ModelShelf } from '../server/model-shelf.ts';
import { OllamaParallel } from '../server/parallel.ts';
import { kindOf, slotsIfKnown } from '../server/slots.ts';
import { tellFeed } from '../server/tell-feed.ts';
import { startCore } from './core.ts';
import type { Daemon } from './daemon.ts';
import { idleCommand } from './idle-command.ts';
import { peerAdmission } from './peer-admission.ts';
import { Registrar } from './register.ts';
import type { Reloader } from './reload.ts';
import { selfPortrait } from './self-portrait.ts';
import { localRules, peerRules } from './server-rules.ts';
import { sourcesOf } from './sources.ts';
import { tellLoad } from './tell-load.ts';
import { tellWake } from './tell-wake.ts';

/** A peer is told at once that Ollama is away, so that it can try another server. */
const HOLD_MS = { inference: 0, other: 0 };

/** What server mode is given beside its configuration. */
export interface ServerSurroundings {
  readonly clock?: Clock;
  readonly reloader?: Reloader;
  /** Where the Ollama keeps its models, for who knows it; absent: as is found out. */
  readonly modelsDir?: string;
}

/**
 * Starts server mode: the LAN face in front of this machine's Ollama, announced on the network for as long as
 * that Ollama answers; which of the two starts first does not matter. This machine's own apps may use the other
 * servers of the network, too. Rejects with the codes of `startCore` and of the discovery sources.
 */
export async function startServer(
  config: ServerConfig,
  log: Log,
  { clock = systemClock, reloader, modelsDir }: ServerSurroundings = {},
): Promise<Daemon> {
  const { ollama } = config;
  const isAway = ({ url }: ServerFacts) => url !== ollama;
  const manage = () => config.allow.has('manage');
  const gpus = new GpuTool(clock);
  const memory = new FreeMemory(clock, gpus);
  const feed = new Feed({ clock });
  const others: DiscoverySource[] = [];
  const parallel = new OllamaParallel({ url: ollama, given: config.parallel, clock });
  const disk = new ModelDisk({ url: ollama, environment: () => parallel.environment, dir: modelsDir });
  const shelf = new ModelShelf(() => disk.dir());
  const lanPull = new LanPull({ ollama, servers: () => core.fleet.servers(), shelf, disk });
  const machine = new MachineReader({
    clock,
    gpus,
    disk,
    parallel: () => parallel.known(),
    environment: () => parallel.environment,
  });
  machine.onRead = (facts) => feed.publish('machine', facts);
  const core = await startCore({
    config,
    log,
    clock,
    reloader,
    forAll: () => config.allow,
    feed,
    machine: () => machine.facts(),
    holdMs: HOLD_MS,
    seek: () => {
      for (const source of others) source.refresh();
    },
    policy: 'fastest',
    slots: (model, facts) =>
      slotsIfKnown(facts && isAway(facts) ? undefined : parallel.known(), kindOf(model, facts)),
    cards: (facts) => (facts && isAway(facts) ? [] : cardBytes(machine.facts()?.gpus ?? [])),
    rules: localRules(ollama, lanPull),
    peers: peerRules(ollama, clock, { lanPull, shelf }),
    onManaged: () => {},
    told: ({ route, fromHere }, manages) =>
      route.path === '/api/version'
        ? toldHeaders({ allowsManage: fromHere || manages, freeMemoryBytes: memory.bytes() })
        : [],
    admit: peerAdmission({ disk, registries: () => new Set(config.allowRegistry) }),
  });
  const { fleet, deviceId, port } = core;
  const own = onlyAt(fleet, ollama);
  const tell = tellFeed({
    feed,
    fleet: own,
    deviceId,
    name: config.name,
    allowsManage: manage,
    memory,
  });
  reloader?.onChange(tell);
  const onNotice = core.emit;
  const onTraffic = core.emit;
  const beacon = new BeaconServer({
    port: config.discoveryPort,
    httpPort: port,
    defaultHttpPort: DEFAULTS.port,
    interfaces: config.interfaces,
    linkLocal: config.host === '0.0.0.0' || config.host === '::',
    deviceId,
    name: config.name,
    clock,
    onNotice,
    onTraffic,
  });
  const mdns = new MdnsAdvertiser({
    host: config.host,
    httpPort: port,
    interfaces: config.interfaces,
    deviceId,
    name: config.name,
    version: VERSION,
    speaking: false,
    clock,
    onNotice,
    onTraffic,
  });
  tellLoad(clock, feed, own, core.choosing.desks);
  const registrar = new Registrar({
    urls: config.register ?? [],
    clock,
    log,
    connectTimeoutMs: config.connectTimeoutMs,
    agent: core.fresh,
    describe: () => selfPortrait(own, { deviceId, name: config.name, port }),
    random: Math.random,
  });
  const announcers = [...(config.udp ? [beacon] : []), ...(config.mdns ? [mdns] : []), registrar];
  const wake = tellWake({ clock, feed, host: config.host, interfaces: config.interfaces });
  const sources: AsyncDisposable[] = [...announcers, disposed(parallel), disposed(machine), disposed(wake)];
  machine.start();
  const daemon = core.daemon(sources);
  const idle = idleCommand({
    config,
    clock,
    log,
    own,
    desks: core.choosing.desks,
    open: () => daemon.status().inFlight,
  });
  if (idle) sources.push(disposed(idle));
  beacon.setSpeaking(false);
  let up = false;
  own.onChange(() => {
    const [server] = own.servers();
    const now = server?.verdict.state === 'reliable';
    if (now === up) return;
    up = now;
    if (up) log.info('Ollama answers: announcing this server', { ollama });
    else log.warn('Ollama is away: silent until it is back', { ollama });
    for (const announcer of announcers) announcer.setSpeaking(up);
    // It may have been started anew with other settings.
    if (up) void parallel.cameBack(server?.version).then(() => core.choosing.desks.review());
  });
  try {
    others.push(
      ...sourcesOf({ config, clock, onSighting: fleet.sight, onNotice, onTraffic, ownDeviceId: deviceId }),
    );
    sources.push(...others);
    for (const announcer of announcers) await announcer.start();
    for (const source of others) await source.start();
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  fleet.sight({ source: 'static', url: ollama, name: config.name, leaseMs: Number.POSITIVE_INFINITY });
  log.info('ollana is ready', { mode: 'server', url: daemon.url, ollama });
  return daemon;
}

function disposed(one: Disposable): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => one[Symbol.dispose]() };
}
