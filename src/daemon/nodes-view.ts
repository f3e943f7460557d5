import { isIPv4, isIPv6 } from 'node:net';
import { addressOf, hostOf } from '../config/host.ts';
import type { Registration } from '../discovery/registrations.ts';
import type { ServerStatus } from './status.ts';

/** A server in the shape of the hub that others know; what stands after `failure_count` is ours. */
export interface Node {
  /** What the server registered as, else its device id. */
  readonly node_id: string;
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  readonly port: number;
  readonly models: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Parts of 1; null where nobody tells. */
  readonly load: { readonly cpu: number | null; readonly memory: number | null };
  /** ISO 8601: of the last beat, else of the last time it is known to have answered. */
  readonly last_seen: string;
  /**
   * `online`: it takes requests. `degraded`: it is there but fails, and gets some only when nothing else is left.
   * `offline`: it does not answer, or has missed its heartbeats.
   */
  readonly status: 'online' | 'degraded' | 'offline';
  /** Requests of this ollana that run there. */
  readonly active_jobs: number;
  /** 0 while it is reliable; otherwise at least 1. */
  readonly failure_count: number;
  readonly name: string;
  readonly device_id: string | null;
  readonly url: string;
  readonly kind: ServerStatus['kind'] | null;
  readonly sources: readonly string[];
  readonly loaded: readonly string[];
  /** What machine it is, as it tells itself; null where it does not. */
  readonly machine: ServerStatus['machine'] | null;
  /** Round trip, ms; null where it is not known. */
  readonly latency_ms: number | null;
}

/** An address of a server, see `Fleet.addresses`. */
export interface NodeAddress {
  readonly url: string;
  readonly deviceId?: string;
}

/**
 * Every server that is known and every one that has registered and is not known (any more), by name. A server by
 * several addresses is one node. `wall` is now, ms since 1970. Pure.
 */
export function nodesOf(
  servers: readonly ServerStatus[],
  addresses: readonly NodeAddress[],
  registrations: readonly Registration[],
  wall: number,
): readonly Node[] {
  const homeOf = new Map(addresses.map(({ url, deviceId }) => [url, deviceId]));
  const isOf = (server: ServerStatus, { url }: Registration) =>
    url === server.url || homeOf.get(url) === server.deviceId;
  const known = servers.map((server) => {
    const urls = addresses.filter(({ deviceId }) => deviceId === server.deviceId).map(({ url }) => url);
    const theirs = registrations.filter((one) => isOf(server, one));
    return nodeOf(server, [server.url, ...urls], newest(theirs), wall);
  });
  const others = registrations
    .filter((one) => !servers.some((server) => isOf(server, one)))
    .map((one) => nodeOf(undefined, [one.url], one, wall));
  return [...known, ...others].sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** The node that is meant by its id, device id or name, an exact id first. Pure. */
export function findNode(nodes: readonly Node[], id: string): Node | undefined {
  const word = id.toLowerCase();
  return (
    nodes.find((node) => node.node_id === id) ??
    nodes.find(({ device_id, name }) => device_id === word || name.toLowerCase() === word)
  );
}

function nodeOf(
  server: ServerStatus | undefined,
  urls: readonly string[],
  beaten: Registration | undefined,
  wall: number,
): Node {
  const all = [...urls, ...(beaten?.otherUrl === undefined ? [] : [beaten.otherUrl])];
  const hosts = all.map(hostOf);
  const url = server?.url ?? beaten?.url ?? '';
  const { protocol, port, shown } = addressOf(url);
  const status = statusOf(server, beaten);
  const { beat } = beaten ?? {};
  const name = server?.name ?? beat?.metadata.hostname ?? shown;
  return {
    node_id: beat?.nodeId ?? server?.deviceId ?? '',
    ipv4: hosts.find(isIPv4) ?? null,
    ipv6: hosts.find(isIPv6) ?? null,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
    // What it says itself of now comes before what it posted half a minute ago.
    models: server && server.models.length > 0 ? server.models : (beat?.models ?? []),
    metadata: { hostname: name, ...beat?.metadata },
    load: loadOf(server?.machine, beat?.load),
    last_seen: iso(status === 'online' ? wall : (beaten?.seenAt ?? Date.parse(server?.since ?? ''))),
    status,
    active_jobs: server?.inFlight ?? 0,
    failure_count: status === 'online' ? 0 : 1,
    name,
    device_id: server?.deviceId ?? null,
    url,
    kind: server?.kind ?? null,
    sources: server?.sources ?? [],
    loaded: server?.loaded ?? [],
    machine: server?.machine ?? null,
    latency_ms: server?.latencyMs ?? null,
  };
}

/** What it tells by its stream is younger than a heartbeat; it may tell of one and not of the other. */
function loadOf(machine: ServerStatus['machine'], beaten: Node['load'] | undefined): Node['load'] {
  const { cpu, memory } = machine ?? {};
  const used = memory ? 1 - memory.freeBytes / memory.totalBytes : undefined;
  return {
    cpu: cpu?.load ?? beaten?.cpu ?? null,
    memory: used === undefined ? (beaten?.memory ?? null) : Math.round(used * 1000) / 1000,
  };
}

function statusOf(server: ServerStatus | undefined, beaten: Registration | undefined): Node['status'] {
  if (server?.verdict === 'reliable') return 'online';
  if (server?.verdict === 'second-chance') return 'degraded';
  // It beats and does not answer: there is something in between, or it has just begun.
  return beaten && !beaten.isStale ? 'degraded' : 'offline';
}

function newest(registrations: readonly Registration[]): Registration | undefined {
  return registrations.reduce<Registration | undefined>(
    (best, one) => (best && best.seenAt >= one.seenAt ? best : one),
    undefined,
  );
}

function iso(ms: number): string {
  return new Date(Number.isFinite(ms) ? ms : 0).toISOString();
}
