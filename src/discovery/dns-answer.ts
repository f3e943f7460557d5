import { isIPv4 } from 'node:net';
import { isDnsName } from '../config/discover.ts';
import type { DnsAnswer, DnsRecord, DnsType } from './dns-wire.ts';

/** Aliases followed in a row; real zones have one or two, and a loop has no end. */
const MAX_ALIASES = 8;

/** SRV records used of one name: a larger fleet has more than one name, and a forged answer fills no memory. */
const MAX_TARGETS = 256;

/** One port of one host. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** Rank of its priority: 0 is used first. */
  readonly tier: number;
}

/** Records that answer a question, and how long they count with the aliases on the way to them. */
export interface Found<R> {
  readonly records: readonly R[];
  readonly ttlMs: number;
}

/**
 * The records of one type that a name has, through its aliases: resolvers send the whole chain in one answer. None
 * for a loop and for a chain that leads out of the answer. Pure.
 */
export function recordsOf<T extends DnsType>(
  records: readonly DnsRecord[],
  { name, type }: { readonly name: string; readonly type: T },
): Found<Extract<DnsRecord, { type: T }>> {
  let owner = name;
  let aliasTtlMs = Number.POSITIVE_INFINITY;
  for (let hop = 0; hop <= MAX_ALIASES; hop += 1) {
    const own: readonly DnsRecord[] = records.filter(
      (record) => record.type === type && record.name === owner,
    );
    if (own.length > 0) {
      const ttlMs = Math.min(aliasTtlMs, ...own.map((record) => record.ttlMs));
      return {
        records: own.filter((record): record is Extract<DnsRecord, { type: T }> => record.type === type),
        ttlMs,
      };
    }
    const alias = records.find((record) => record.type === 'CNAME' && record.name === owner);
    if (alias?.type !== 'CNAME') break;
    aliasTtlMs = Math.min(aliasTtlMs, alias.ttlMs);
    owner = alias.data;
  }
  return { records: [], ttlMs: aliasTtlMs };
}

/**
 * Where the SRV records of an answer point, most wanted first. Records that say "not here" (target `.`), port 0 and
 * what is no name are left out. In an order of their own, since servers shuffle theirs: were there too many, the same
 * ones would be used every time.
 *
 * Priorities become tiers: a server of a later tier is used when no server of an earlier one can take a request.
 * Weights are not used. They share out work among servers whose load nobody knows; ollana knows it, and how fast
 * each one is, so that a weight could only send a request where it ends later. Pure.
 */
export function targetsOf(answer: DnsAnswer, name: string): Found<Target> {
  const { records, ttlMs } = recordsOf(answer.answers, { name, type: 'SRV' });
  const usable = records.map(({ data }) => data).filter(({ port, target }) => port > 0 && isDnsName(target));
  const priorities = [...new Set(usable.map(({ priority }) => priority))].sort((a, b) => a - b);
  const targets = new Map<string, Target>();
  for (const { priority, target: host, port } of usable) {
    const tier = priorities.indexOf(priority);
    const known = targets.get(`${host}:${port}`);
    if (!known || tier < known.tier) targets.set(`${host}:${port}`, { host, port, tier });
  }
  const sorted = [...targets].sort(([a, one], [b, other]) => one.tier - other.tier || (a < b ? -1 : 1));
  return { records: sorted.slice(0, MAX_TARGETS).map(([, target]) => target), ttlMs };
}

/**
 * Base URL of an address, or undefined for one that no connection can reach: 0.0.0.0 and `::` (they would lead to
 * this machine), multicast, broadcast, an IPv4 address in IPv6 clothes, and link-local IPv6, which lacks its
 * interface in DNS. Private and loopback addresses are what a LAN has. Pure.
 */
export function urlOf(address: string, port: number): string | undefined {
  if (isIPv4(address)) {
    const first = Number(address.split('.')[0]);
    return first > 0 && first < 224 ? new URL(`http://${address}:${port}`).origin : undefined;
  }
  const url = `http://[${address}]:${port}`;
  if (!URL.canParse(url)) return undefined;
  const { origin, hostname } = new URL(url);
  return /^\[(::\]|::ffff:|ff|fe[89ab])/.test(hostname) ? undefined : origin;
}
