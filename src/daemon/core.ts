import { type Clock, sleep } from '../clock.ts';
import { VERSION } from '../config/version.ts';
import type { CommonConfig } from '../config.ts';
import { Fleet } from '../fleet/fleet.ts';
import type { Pool } from '../fleet/pool.ts';
import type { Log } from '../observe/log.ts';
import { narrateFleet, narrateProxy } from '../observe/narrate.ts';
import { Aggregator } from '../proxy/aggregate.ts';
import { BodyReader } from '../proxy/body.ts';
import { broadcast } from '../proxy/broadcast.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { Forwarder } from '../proxy/forward.ts';
import { Front } from '../proxy/front.ts';
import { Transport } from '../proxy/transport.ts';
import type { Asked } from '../proxy/want.ts';
import { Router } from '../routing/router.ts';
import type { Targets } from '../routing/targets.ts';
import { loadDeviceId } from '../security/identity.ts';
import type { Exposure } from '../server/exposure.ts';
import type { Daemon } from './daemon.ts';
import { type Face, listen, localUrl } from './listen.ts';
import { modelReport } from './model-report.ts';
import { ownNames } from './own-names.ts';
import { ownPaths } from './own-paths.ts';
import { reportStatus } from './report.ts';
import type { StatusReport } from './status.ts';

/** What the two modes make differently. */
export interface CoreOptions {
  readonly config: CommonConfig & { readonly mode: 'client' | 'server' };
  readonly log: Log;
  readonly clock: Clock;
  /** What peers may have; undefined where only this machine is served. */
  readonly exposure: Exposure | undefined;
  readonly holdMs: { readonly inference: number; readonly other: number };
  readonly explain: (fleet: Fleet) => (asked?: Asked) => string;
  /** Where a request may go. */
  readonly target: (exchange: Exchange, asked: Asked, pool: Pool) => Targets;
  /** Told of requests that change what a server stores, when it has answered. */
  readonly onManaged: (exchange: Exchange, deviceId: string) => void;
  /** Headers that tell about this machine, flat. */
  readonly told: (exchange: Exchange) => readonly string[];
  /** Asks the network for servers at once. */
  readonly seek: () => void;
  /** Throws when a request may not have the model it names. */
  readonly admit: (exchange: Exchange, asked: Asked) => void;
}

/** The parts that both modes have, running: the face is listening, the fleet is empty. */
export interface Core {
  readonly deviceId: string;
  readonly fleet: Fleet;
  readonly port: number;
  /** A daemon out of these parts; `sources` are disposed first, in order, when it ends. */
  daemon(sources: readonly AsyncDisposable[]): Daemon;
}

/** Builds and starts the common parts. Rejects with the codes of `listen` and `loadDeviceId`; nothing stays then. */
export async function startCore(options: CoreOptions): Promise<Core> {
  const { config, log, clock } = options;
  const deviceId = loadDeviceId(config.dataDir);
  const transport = new Transport({ clock, connectTimeoutMs: config.connectTimeoutMs });
  const fleet = new Fleet({
    // A client is no server to itself; the server of this machine, which shares its id, is one to it.
    ownDeviceId: config.mode === 'server' ? deviceId : undefined,
    clock,
    agent: transport.agent,
    connectTimeoutMs: config.connectTimeoutMs,
    emit: narrateFleet(log),
  });
  const router = new Router(fleet);
  const explain = options.explain(fleet);
  const via = `1.1 ollana-${config.mode}-${deviceId.slice(0, 16)}`;
  const emit = narrateProxy(log);
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
    });
  const models = () => modelReport(router.pool());
  const front: Front = new Front({
    clock,
    guard: { own: ownNames(clock, [config.name]), origins: config.origins },
    forwarder: new Forwarder({
      router,
      transport,
      clock,
      silenceTimeoutMs: config.silenceTimeoutMs,
      bodies: new BodyReader(),
      emit,
      via,
      holdMs: options.holdMs,
      explain,
      admit: options.admit,
      seek: options.seek,
      target: (exchange, asked) => options.target(exchange, asked, router.pool()),
      toEach: (exchange, servers, body, signal) =>
        broadcast(
          {
            agent: transport.agent,
            clock,
            connectTimeoutMs: config.connectTimeoutMs,
            refresh: (id) => fleet.refresh(id),
          },
          exchange,
          servers,
          body,
          signal,
        ),
      onManaged: (exchange, id) => {
        options.onManaged(exchange, id);
        fleet.refresh(id);
      },
      told: options.told,
    }),
    aggregator:
      config.mode === 'client'
        ? new Aggregator({ router, agent: transport.agent, clock, holdMs: options.holdMs.other, explain })
        : undefined,
    exposure: options.exposure,
    own: ownPaths({ mode: config.mode, version: VERSION, deviceId, name: config.name, status, models }),
    via,
    draining: () => draining,
    emit,
  });
  const release = () => {
    fleet[Symbol.dispose]();
    transport[Symbol.dispose]();
  };
  let face: Face;
  try {
    face = await listen(config.host, config.port, front.handle);
  } catch (error) {
    release();
    throw error;
  }
  url = localUrl(config.host, face.port);

  const daemon = (sources: readonly AsyncDisposable[]): Daemon => {
    let ended: Promise<void> | undefined;
    const end = async (limitMs: number) => {
      draining = true;
      for (const source of sources) await source[Symbol.asyncDispose]();
      face.close();
      await idle(clock, limitMs, () => front.open === 0);
      face.cut();
      release();
      log.flush();
    };
    const drain = (limitMs: number): Promise<void> => {
      ended ??= end(limitMs);
      return ended;
    };
    return {
      mode: config.mode,
      url,
      status,
      drain,
      stop: async () => {
        face.cut();
        await drain(0);
      },
    };
  };
  return { deviceId, fleet, port: face.port, daemon };
}

/** How often a drain looks whether the last request has ended, ms. */
const IDLE_LOOK_MS = 20;

/** Resolves when `done` says so, or after `limitMs`. */
async function idle(clock: Clock, limitMs: number, done: () => boolean): Promise<void> {
  const deadline = clock.now() + limitMs;
  while (!done() && clock.now() < deadline) await sleep(clock, IDLE_LOOK_MS);
}
