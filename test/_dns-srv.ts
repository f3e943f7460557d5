import { onTestFinished } from 'vitest';
import { systemClock } from '../src/clock.ts';
import type { DnsNotice } from '../src/discovery/dns-notice.ts';
import { DnsSrv, type DnsSrvOptions } from '../src/discovery/dns-srv.ts';
import { Sightings } from './_beacon.ts';
import { type NameServer, nameServer, type Said } from './_dns.ts';

/** A name with SRV records, where a test's name server says so. */
export const NAME = '_ollama._tcp.gpu.example';

/** A name without SRV records, which has addresses only. */
export const PLAIN = 'ollama.default.svc.cluster.local';

/** What `follow` gives: a source at work, and what it has reported. */
export interface Following {
  readonly sightings: Sightings;
  readonly notices: DnsNotice[];
  readonly source: DnsSrv;
  /** Address and lease of each sighting so far. */
  seen(): readonly (readonly [string, number])[];
}

/** A source that follows these names, until the end of the test. */
export async function follow(
  names: readonly string[],
  more: Partial<DnsSrvOptions> = {},
): Promise<Following> {
  const sightings = new Sightings();
  const notices: DnsNotice[] = [];
  const source = new DnsSrv({
    names,
    httpPort: 11435,
    clock: systemClock,
    random: () => 0,
    onSighting: sightings.add,
    onNotice: (notice) => void notices.push(notice),
    ...more,
  });
  onTestFinished(() => source[Symbol.asyncDispose]());
  await Promise.all([source.start(), source.start()]);
  const seen = () => sightings.all.map(({ url, leaseMs }) => [url, leaseMs] as const);
  return { sightings, notices, source, seen };
}

/** A name server, until the end of the test. */
export async function server(say?: NameServer['say'], address?: '::1'): Promise<NameServer> {
  const made = await nameServer(say, address);
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

/** The option that names a name and the server to ask for it. */
export const at = (name: string, { port }: NameServer) => `dns:${name}@127.0.0.1:${port}`;

/** Says the same to each question of a type and name, and that there is no such name to all others. */
export const zone =
  (records: Readonly<Record<string, Said>>): NameServer['say'] =>
  ({ name, type }) =>
    records[`${type} ${name}`] ?? { code: 3 };
