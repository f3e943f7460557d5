import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import { VERSION } from '../config/version.ts';
import type { Heartbeat } from '../discovery/heartbeat.ts';
import type { FleetView } from '../fleet/view.ts';

/** What a server posts of itself, but for its addresses; `own` is the part of the fleet that its Ollama is. */
export function selfPortrait(
  own: Pick<FleetView, 'servers'>,
  { deviceId, name, port }: { readonly deviceId: string; readonly name: string; readonly port: number },
): Omit<Heartbeat, 'ipv4' | 'ipv6'> {
  const [ollama] = own.servers();
  const [minute = 0] = loadavg();
  return {
    nodeId: deviceId,
    port,
    models: ollama?.tags?.map((row) => row.name) ?? [],
    metadata: { hostname: name, ollana: VERSION },
    load: { cpu: partOf(minute / availableParallelism()), memory: partOf(1 - freemem() / totalmem()) },
  };
}

function partOf(value: number): number {
  return Math.round(Math.min(1, Math.max(0, value)) * 100) / 100;
}
