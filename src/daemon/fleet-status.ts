import type { Pool, PoolServer } from '../fleet/pool.ts';
import type { Node } from './nodes-view.ts';

/** What has ended at one server for one model since ollana began. */
export interface Ended {
  readonly done: number;
  readonly failed: number;
}

/** A server as those see it who know the load balancer of that shape; null where nobody tells. */
export interface FleetNode {
  readonly node_id: string;
  readonly status: Node['status'];
  readonly url: string;
  /** Parts of 100. */
  readonly cpu: { readonly utilization_pct: number | null };
  /** The machine's own; `free_bytes` is what it has for models where it tells no more. */
  readonly memory: { readonly used_pct: number | null; readonly free_bytes: number | null };
  readonly ollama: {
    readonly version: string | null;
    readonly models_loaded: readonly {
      readonly name: string;
      readonly context_length: number | null;
      readonly size_vram: number | null;
    }[];
    readonly models_available: readonly string[];
  };
}

/** What waits and runs of one model at one server. */
export interface FleetQueue extends Ended {
  readonly pending: number;
  readonly in_flight: number;
  /** What the server runs at once. */
  readonly max_concurrent: number;
}

export interface FleetStatus {
  readonly fleet: {
    readonly nodes_total: number;
    readonly nodes_online: number;
    readonly models_loaded: number;
    readonly requests_in_flight: number;
  };
  readonly nodes: readonly FleetNode[];
  /** By server and model, `attic:llama3.2:latest`. */
  readonly queues: Readonly<Record<string, FleetQueue>>;
}

/** The fleet in that shape. `endedAt` tells what has ended, by name of server and model. Pure but for that. */
export function fleetStatus(
  nodes: readonly Node[],
  pool: Pool,
  endedAt: (server: string, model: string) => Ended,
): FleetStatus {
  const shown = nodes.map((node) =>
    fleetNode(
      node,
      pool.find(({ url }) => url === node.url),
    ),
  );
  const queues = pool.flatMap((server) => queuesOf(server, endedAt));
  return {
    fleet: {
      nodes_total: nodes.length,
      nodes_online: nodes.filter(({ status }) => status === 'online').length,
      models_loaded: shown.reduce((sum, { ollama }) => sum + ollama.models_loaded.length, 0),
      requests_in_flight: pool.reduce((sum, { inFlight }) => sum + inFlight, 0),
    },
    nodes: shown,
    queues: Object.fromEntries(queues),
  };
}

function fleetNode(node: Node, server: PoolServer | undefined): FleetNode {
  const percent = (part: number | null) => (part === null ? null : Math.round(part * 1000) / 10);
  return {
    node_id: node.name,
    status: node.status,
    url: node.url,
    cpu: { utilization_pct: percent(node.load.cpu) },
    memory: {
      used_pct: percent(node.load.memory),
      free_bytes: node.machine?.memory?.freeBytes ?? server?.freeMemoryBytes ?? null,
    },
    ollama: {
      version: server?.version ?? null,
      models_loaded: (server?.ps ?? []).map(({ name, raw }) => ({
        name,
        context_length: numberIn(raw.context_length),
        size_vram: numberIn(raw.size_vram),
      })),
      models_available: node.models,
    },
  };
}

function queuesOf(
  server: PoolServer,
  endedAt: (server: string, model: string) => Ended,
): [string, FleetQueue][] {
  return Object.entries(server.load?.models ?? {}).map(([model, { slots, active, queued }]) => [
    `${server.name}:${model}`,
    { pending: queued, in_flight: active, max_concurrent: slots, ...endedAt(server.name, model) },
  ]);
}

function numberIn(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
