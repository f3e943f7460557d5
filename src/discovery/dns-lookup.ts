import { type Found, recordsOf, type Target, targetsOf, urlOf } from './dns-answer.ts';
import type { Ask } from './dns-resolve.ts';
import type { DnsAnswer, DnsRecord } from './dns-wire.ts';

/** One server that DNS leads to. */
export interface DnsServer {
  /** Base URL with the address, so that connections go where DNS said, and nowhere else later. */
  readonly url: string;
  /** Rank of its priority: 0 is used first. */
  readonly tier: number;
  /** The name that the address belongs to. */
  readonly host: string;
}

/** All that one round of questions found. */
export interface DnsServers {
  /** By URL; of the same address under several names the one used first. */
  readonly servers: ReadonlyMap<string, DnsServer>;
  /** Hosts whose addresses could not be asked for: nothing is known of them, not even that they have none. */
  readonly unsure: ReadonlySet<string>;
  /** How long all of it counts, ms; undefined where nothing says. */
  readonly ttlMs: number | undefined;
}

/** Addresses of one host that are used: one with more is no host. */
const MAX_ADDRESSES_OF_HOST = 16;
/** Addresses of a name that stands for a whole service, as many as SRV records would be used. */
const MAX_ADDRESSES_OF_SERVICE = 256;
/** Hosts asked about that the SRV answer brought no address of; Consul and Kubernetes bring all. */
const MAX_LOOKUPS = 32;
/** Of these so many at once. */
const LOOKUPS_AT_ONCE = 4;

/**
 * Finds the servers of a name: where its SRV records point, or, if it has none, the name's own addresses with
 * `port`. That is ollana's port and not Ollama's too: on a machine with both, requests would pass ollana's queue by;
 * plain Ollamas want SRV records, which Kubernetes makes of named ports. A name that begins with `_` is that of a
 * service and has no addresses.
 *
 * Addresses come from the same answer, else they are asked for. Rejects when nothing can be found out.
 */
export async function lookUpServers(name: string, port: number, ask: Ask): Promise<DnsServers> {
  const answer = await ask({ name, type: 'SRV' });
  const hasSrv = recordsOf(answer.answers, { name, type: 'SRV' }).records.length > 0;
  if (hasSrv) return followTargets(targetsOf(answer, name), answer, ask);
  if (name.startsWith('_')) return { servers: new Map(), unsure: new Set(), ttlMs: answer.absentMs };
  const own = await askAddresses(name, ask);
  if (own.addresses.length === 0 && own.failure !== undefined) throw own.failure;
  return {
    servers: serversOf([{ host: name, port, tier: 0 }], new Map([[name, own]]), MAX_ADDRESSES_OF_SERVICE),
    unsure: new Set(own.failure === undefined ? [] : [name]),
    ttlMs: own.ttlMs,
  };
}

interface Addresses {
  readonly addresses: readonly string[];
  /** Undefined where nothing says. */
  readonly ttlMs: number | undefined;
  /** Why one family or both could not be asked for. */
  readonly failure?: unknown;
}

async function followTargets(found: Found<Target>, answer: DnsAnswer, ask: Ask): Promise<DnsServers> {
  const hosts = [...new Set(found.records.map(({ host }) => host))];
  const known = new Map<string, Addresses>();
  const beside = byName(answer.additionals);
  for (const host of hosts) {
    const own = addressesIn(beside.get(host) ?? [], host);
    if (own.addresses.length > 0) known.set(host, own);
  }
  const open = hosts.filter((host) => !known.has(host));
  const asked = open.slice(0, MAX_LOOKUPS);
  // Each worker takes the next host from the same iterator.
  const queue = asked.values();
  const work = async () => {
    for (const host of queue) known.set(host, await askAddresses(host, ask));
  };
  await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, work));
  const unsure = hosts.filter((host) => !known.has(host) || known.get(host)?.failure !== undefined);
  const servers = serversOf(found.records, known, MAX_ADDRESSES_OF_HOST);
  return { servers, unsure: new Set(unsure), ttlMs: shortest([found, ...known.values()]) };
}

function serversOf(
  targets: readonly Target[],
  known: ReadonlyMap<string, Addresses>,
  most: number,
): ReadonlyMap<string, DnsServer> {
  const servers = new Map<string, DnsServer>();
  // In their order: the first, most wanted one counts.
  for (const { host, port, tier } of targets) {
    const addresses = [...(known.get(host)?.addresses ?? [])].sort().slice(0, most);
    for (const address of addresses) {
      const url = urlOf(address, port);
      if (url !== undefined && !servers.has(url)) servers.set(url, { url, tier, host });
    }
  }
  return servers;
}

/** IPv4 and IPv6 addresses of a host. Never rejects. */
async function askAddresses(host: string, ask: Ask): Promise<Addresses> {
  const answers = await Promise.allSettled([
    ask({ name: host, type: 'A' }),
    ask({ name: host, type: 'AAAA' }),
  ]);
  const failure = answers.find((answer) => answer.status === 'rejected');
  const good = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const own = addressesIn(
    good.flatMap(({ answers: records }) => records),
    host,
  );
  const ttlMs =
    own.addresses.length > 0 ? own.ttlMs : shortest(good.map(({ absentMs }) => ({ ttlMs: absentMs })));
  return { addresses: own.addresses, ttlMs, ...(failure && { failure: failure.reason }) };
}

function addressesIn(records: readonly DnsRecord[], host: string): Addresses {
  const found = [
    recordsOf(records, { name: host, type: 'A' }),
    recordsOf(records, { name: host, type: 'AAAA' }),
  ];
  return {
    addresses: found.flatMap(({ records: own }) => own.map(({ data }) => data)),
    ttlMs: shortest(found),
  };
}

/** So that the records of each of many hosts are found without reading all every time. */
function byName(records: readonly DnsRecord[]): ReadonlyMap<string, readonly DnsRecord[]> {
  const names = new Map<string, DnsRecord[]>();
  for (const record of records) {
    const own = names.get(record.name);
    if (own) own.push(record);
    else names.set(record.name, [record]);
  }
  return names;
}

function shortest(all: readonly { readonly ttlMs: number | undefined }[]): number | undefined {
  const said = all.flatMap(({ ttlMs }) => (ttlMs === undefined || !Number.isFinite(ttlMs) ? [] : [ttlMs]));
  return said.length === 0 ? undefined : Math.min(...said);
}
