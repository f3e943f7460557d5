import { addressOf } from '../config/host.ts';
import type { CommonConfig } from '../config.ts';
import type { UnansweredAddress } from '../fleet/fleet.ts';
import { deviceIdOfUrl } from '../fleet/identify.ts';
import type { MachineFacts } from '../fleet/machine-facts.ts';
import type { Pool } from '../fleet/pool.ts';
import type { ServerStatus, StatusReport } from './status.ts';

export interface ReportInput {
  readonly config: CommonConfig & { readonly mode: 'client' | 'server' };
  readonly deviceId: string;
  readonly url: string;
  readonly startedAt: string;
  readonly version: string;
  readonly inFlight: number;
  readonly pool: Pool;
  readonly unanswered: readonly UnansweredAddress[];
  readonly pairing: StatusReport['pairing'];
  /** Of this machine, whose Ollama tells nothing of it itself. */
  readonly machine: MachineFacts | undefined;
}

/** The status report of a daemon out of what its parts know. Pure but for the process id. */
export function reportStatus(input: ReportInput): StatusReport {
  const { config, pool, unanswered } = input;
  const servers = [
    ...pool.map((server) =>
      serverStatus(server, server.machine ?? (server.url === config.ollama ? input.machine : undefined)),
    ),
    ...unanswered.map((address) => silentStatus(address, input.startedAt)),
  ].sort((a, b) => a.name.localeCompare(b.name, 'en'));
  const common = {
    mode: config.mode,
    version: input.version,
    pid: process.pid,
    url: input.url,
    deviceId: input.deviceId,
    name: config.name,
    startedAt: input.startedAt,
    inFlight: input.inFlight,
    servers,
    pairing: input.pairing,
  };
  if (config.mode === 'client') return common;
  const own = servers.find((server) => server.url === config.ollama);
  const up = own?.verdict === 'reliable';
  return { ...common, ollama: { url: config.ollama, up, ...(own?.reason && { reason: own.reason }) } };
}

function serverStatus(server: Pool[number], machine: MachineFacts | undefined): ServerStatus {
  const { verdict } = server;
  return {
    deviceId: server.deviceId,
    name: server.name,
    url: server.url,
    kind: server.kind,
    sources: server.sources,
    verdict: verdict.state,
    ...(verdict.state !== 'reliable' && { reason: verdict.reason }),
    since: new Date(verdict.sinceMs).toISOString(),
    ...(server.version !== undefined && { version: server.version }),
    models: server.tags?.map((row) => row.name) ?? [],
    loaded: server.ps?.map((row) => row.name) ?? [],
    inFlight: server.inFlight,
    latencyMs: server.latencyMs === null ? null : Math.round(server.latencyMs * 10) / 10,
    ...(machine && { machine }),
  };
}

function silentStatus(address: ReportInput['unanswered'][number], since: string): ServerStatus {
  return {
    deviceId: deviceIdOfUrl(address.url),
    name: address.name ?? addressOf(address.url).shown,
    url: address.url,
    kind: address.sources.includes('local') ? 'local' : 'ollama',
    sources: address.sources,
    verdict: 'unreliable',
    reason: address.reason,
    ...(address.notPaired && { notPaired: true }),
    since,
    models: [],
    loaded: [],
    inFlight: 0,
    latencyMs: null,
  };
}
