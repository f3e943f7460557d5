import { fileURLToPath } from 'node:url';
import type { Sighting } from '../../src/discovery/sighting.ts';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';
import type { LabHost } from './_lab.ts';

const HOST = fileURLToPath(new URL('_discovery-host.ts', import.meta.url));
/** By its path: a process of the lab starts in the root directory. */
export const TSX = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;

export type Seen = Sighting & { readonly at: number };

/** Starts one side of discovery on a host; resolves when it has started. */
export async function startSide(
  host: LabHost,
  kind: 'udp' | 'mdns',
  role: 'client' | 'server',
  options: object = {},
): Promise<TestProcess> {
  const started = host.node(['--import', TSX, HOST, kind, role, JSON.stringify(options)]);
  await started.waitFor(/ready/, 20_000);
  return started;
}

/** What a client has seen so far. */
export function sightings(client: TestProcess): readonly Seen[] {
  return client.stdout
    .split('\n')
    .filter((line) => line.startsWith('{"sighting"'))
    .map((line) => (JSON.parse(line) as { sighting: Seen }).sighting);
}

/** Resolves with the first that is as wanted. */
export function waitForSighting(
  client: TestProcess,
  wanted: (seen: Seen) => boolean,
  ms = 8000,
): Promise<Seen> {
  return until(ms, 'a sighting as wanted', () => sightings(client).find(wanted));
}

/** Tells one side what to do. */
export const say = (side: TestProcess, line: string) => side.child.stdin?.write(`${line}\n`);
