import { isLoopbackHost } from '../config/host.ts';
import { VERSION } from '../config/version.ts';
import { reasonOf } from '../errors.ts';
import { Fleet } from '../fleet/fleet.ts';
import type { PoolServer } from '../fleet/pool.ts';
import { OWN_VIA } from '../ollama/client.ts';
import { BodyReader } from '../proxy/body.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { Front } from '../proxy/front.ts';
import { Transport } from '../proxy/transport.ts';
import { Dialer } from '../security/dialer.ts';
import { PathAgent } from '../security/path-agent.ts';
import { shownIds } from '../security/shown-id.ts';
import { Trust } from '../security/trust.ts';
import { Api } from './api.ts';
import { type Choosing, startChoosing } from './choosing.ts';
import type { Core, CoreOptions } from './core-options.ts';
import { Dashboard } from './dashboard.ts';
import { drainable } from './drainable.ts';
import { Gate } from './gate.ts';
import { Guests } from './guests.ts';
import { healthPaths, watchHealth } from './health.ts';
import { keyGate } from './key-gate.ts';
import { knownLoads } from './known-loads.ts';
import { type Face, listen, localUrl } from './listen.ts';
import { modelReport } from './model-report.ts';
import { Observation } from './observation.ts';
import { OwnAddresses } from './own-addresses.ts';
import { ownIdentity } from './own-identity.ts';
import { ownNames } from './own-names.ts';
import { ownPaths } from './own-paths.ts';
import { PairDoor } from './pair-door.ts';
import { PeerRights } from './peer-rights.ts';
import { reportStatus } from './report.ts';
import type { StatusReport } from './status.ts';
import { tellUnverified } from './tell-unverified.ts';
import { makeWay, wayChooser } from './ways.ts';

/** Builds and starts the common parts. Rejects with the codes of `listen`; nothing stays then. */
export async function startCore(options: CoreOptions): Promise<Core> {
  const { config, log, clock } = options;
  const observation = new Observation({
    clock,
    log,
    config,
    version: VERSION,
    mode: config.mode,
    pool: () => router.pool(),
    loads: () => knownLoads(router.pool(), desks, config.ollama),
    admit: (exchange) => keys.admit(exchange),
  });
  const { emit } = observation.events;
  const identity = ownIdentity(config.dataDir, log);
  const { deviceId } = identity;
  const trust = new Trust({
    dataDir: config.dataDir,
    ownId: deviceId,
    requirePairing: config.requirePairing,
    clock,
    onTrouble: (message, reason) => log.error(message, { reason }),
  });
  observation.events.listen(tellUnverified({ log, closed: () => trust.closed, ollama: config.ollama }));
  const dialer = new Dialer({ own: identity, trust, exempt: [config.ollama], onLimit: emit });
  const transport = new Transport({ clock, connectTimeoutMs: config.connectTimeoutMs, dialer });
  const fleet = new Fleet({
    // A client is no server to itself; the server of this machine, which shares its id, is one to it.
    ownDeviceId: config.mode === 'server' ? deviceId : undefined,
    home: config.mode === 'server' ? config.ollama : undefined,
    clock,
    agent: transport.agent,
    connectTimeoutMs: config.connectTimeoutMs,
    dialer,
    shownIds: shownIds(config.dataDir),
    isWaitedFor: (id) => choosing.desks.isWaitedFor(id),
    emit,
  });
  const addresses = new OwnAddresses({
    clock,
    onChange: (isOurs) => {
      transport.closeLost('idle', isOurs);
      fleet.refresh();
    },
    onGone: (isOurs) => transport.closeLost('all', isOurs),
  });
  const fresh = new PathAgent({ keepAlive: false }, dialer);
  const guests = new Guests();
  const gate = new Gate({ own: identity, trust, guests, name: config.name });
  trust.onChange(() => {
    dialer.review();
    fleet.review();
    log.info('the list of paired devices has changed', { required: trust.closed });
  });
  const choosing: Choosing = await startChoosing({
    keepsQueue: config.mode === 'server',
    clock,
    fleet,
    deviceId,
    dataDir: config.dataDir,
    policy: options.policy,
    protectContext: options.liberties?.protectContext,
    slots: options.slots,
    cards: options.cards,
    dialer,
    onNotice: emit,
  });
  const { desks } = choosing;
  const pairedIdOf = (exchange: Exchange) => gate.deviceOf(exchange)?.id;
  const parts = { deviceId, fleet, desks, emit, pairedIdOf };
  const peers = options.peers?.(parts);
  const router = choosing.router(fleet, peers && config.ollama);
  const via = `${OWN_VIA}-${config.mode}-${deviceId.slice(0, 16)}`;
  const { holdMs, seek, onManaged, forAll } = options;
  const rights = new PeerRights({ mode: config.mode, forAll, trust, gate });
  const keys = keyGate({ config, clock, log, reloader: options.reloader });
  const admit: CoreOptions['admit'] = (exchange, asked) => {
    keys.judge(exchange, asked);
    return options.admit(exchange, asked);
  };
  const { connectTimeoutMs, silenceTimeoutMs } = config;
  const wayParts = {
    fleet,
    transport,
    clock,
    connectTimeoutMs,
    silenceTimeoutMs,
    bodies: new BodyReader({ clock, onLimit: emit }),
    emit,
    via,
    holdMs,
    admit,
    seek,
    told: (exchange: Exchange) => options.told(exchange, rights.manages(exchange)),
    onManaged,
    ...options.liberties,
    bodyLog: observation.bodyLog,
    loadOf: (server: PoolServer) => desks.of(server).load(),
  };
  const all = makeWay(wayParts, router, options.rules(parts));
  const forPeers = peers && makeWay(wayParts, choosing.router(peers.view), peers);
  const startedAt = new Date(clock.wall()).toISOString();
  let draining = false;
  let url = '';
  const status = (): StatusReport =>
    reportStatus({
      config,
      deviceId,
      url,
      startedAt,
      version: VERSION,
      inFlight: front.open,
      pool: router.pool(),
      unanswered: fleet.unanswered(),
      pairing: trust.closed ? 'required' : 'open',
      machine: options.machine?.(),
    });
  const models = () => modelReport(router.pool());
  const seen = { clock, events: observation.events, pool: () => router.pool(), desks };
  const health = watchHealth({
    ...seen,
    mode: config.mode,
    fleet,
    ollama: config.ollama,
    machine: options.machine,
    pairing: () => (trust.closed ? 'required' : 'open'),
    usesBroadcast: config.udp,
    protectsContext: options.liberties?.protectContext === true,
    usage: observation.usage,
  });
  const showsHealth = healthPaths(config.mode, health);
  const dashboard = new Dashboard({
    ...seen,
    router,
    config,
    status,
    health,
    keys,
    reloader: options.reloader,
  });
  const api = new Api({
    config,
    clock,
    fresh,
    fleet,
    status,
    // Of a plain Ollama nobody tells what runs there but the queue that is kept for it here.
    pool: () => router.pool().map((server) => ({ ...server, load: desks.of(server).load() ?? server.load })),
    endedAt: observation.endedAt,
    draining: () => draining,
    seek,
    acceptsRegistrations: options.acceptsRegistrations === true,
    onNotice: emit,
    url: () => url,
    reloader: options.reloader,
  });
  const own = ownPaths({
    mode: config.mode,
    version: VERSION,
    deviceId,
    name: config.name,
    status,
    models,
    feed: options.feed,
    machine: options.machine,
    door: peers?.door,
    pairedIdOf,
    rustIdFor: (exchange) => gate.rustIdFor(exchange),
    onLimit: emit,
  });
  const isAlone = config.mode === 'client' && isLoopbackHost(config.host);
  const pairing = new PairDoor({
    clock,
    dataDir: config.dataDir,
    deviceId,
    name: config.name,
    trust,
    guests,
    unreachable: isAlone
      ? 'this ollana listens on this machine only: show the code on the server, and type `ollana device pair NAME` here'
      : undefined,
  });
  const lends = peers ? [peers.shelf.answers] : [];
  const toAll = [rights.refuses, pairing.answers, ...lends, own, api.answers];
  const answerers = [...toAll, dashboard.answers, showsHealth, observation.answers];
  const answers = (exchange: Exchange): boolean => {
    // A dozen rows of paths that are none of Ollama's, but for `/`, need not be looked through for every prompt.
    const { class: of } = exchange.route;
    return (of === 'unknown' || of === 'liveness') && answerers.some((each) => each(exchange));
  };
  const front: Front = new Front({
    clock,
    guard: { own: ownNames(clock, [config.name]), origins: () => config.origins },
    keys,
    wayOf: wayChooser(fleet, config.ollama, all, forPeers),
    exposureOf: rights.exposureOf,
    own: (exchange) => gate.refuses(exchange) || answers(exchange),
    via,
    draining: () => draining,
    emit,
  });
  const release = async () => {
    dashboard[Symbol.dispose]();
    health[Symbol.dispose]();
    addresses[Symbol.dispose]();
    trust[Symbol.dispose]();
    fresh.destroy();
    await choosing[Symbol.asyncDispose]();
    fleet[Symbol.dispose]();
    transport[Symbol.dispose]();
    await observation[Symbol.asyncDispose]();
  };
  const secure = {
    clock,
    certificate: () => identity,
    onFailure: (error: unknown) => log.warn('TLS connections are refused', { reason: reasonOf(error) }),
    onSpeaker: guests.welcome,
  };
  let face: Face;
  try {
    const limits = { clock, onLimit: emit };
    face = await listen(config.host, config.port, front.handle, limits, isAlone ? undefined : secure);
  } catch (error) {
    await release();
    throw error;
  }
  url = localUrl(config.host, face.port);
  await api.start();

  const daemon = drainable({
    mode: config.mode,
    url,
    isPassing: identity.passing === true,
    status,
    clock,
    face,
    api,
    open: () => front.open + api.open,
    begin: async () => {
      draining = true;
      await dashboard.benchmarks.close();
      options.feed?.[Symbol.dispose]();
    },
    release: async () => {
      await release();
      log.flush();
    },
  });
  return { deviceId, fleet, port: face.port, face, choosing, emit, fresh, daemon };
}
