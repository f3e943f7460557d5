import { isIP } from 'node:net';
import { hostOf, isLoopbackHost, zoneOf } from '../config/host.ts';
import type { Interfaces } from '../discovery/interfaces.ts';
import { isNeighbour } from '../discovery/neighbours.ts';

/** How far away an address is, as it is written: this machine, a network that we are on, anything else. */
export type Place = 'loopback' | 'link' | 'beyond';

/** What is known of one address of a server. */
export interface KnownAddress {
  readonly url: string;
  readonly place: Place;
  /** Smoothed time of a probe over a fresh connection, ms; undefined while it is not known to answer. */
  readonly rttMs: number | undefined;
  /** It did not answer a short while ago, though it may do so now. */
  readonly failed: boolean;
}

/**
 * A round trip is clearly shorter if both this part of it and so many ms are saved; less than that is noise, and a
 * change costs a stream that is opened anew.
 */
const BETTER_PART = 0.2;
const BETTER_MS = 1;
/** Half of it: two that are so near to each other are equal. The gap between keeps the choice from swinging. */
const EQUAL = 0.5;
const PLACES: readonly Place[] = ['loopback', 'link', 'beyond'];

/**
 * The address to use: one that has not failed, then the nearest, then the one with the shortest round trip, and of
 * equal ones IPv6, as everywhere (RFC 8305), but not link-local. `current` is kept while no other one is clearly better, and while it
 * has not been measured; undefined if `known` is empty. Pure.
 */
export function bestAddress(current: string | undefined, known: readonly KnownAddress[]): string | undefined {
  const usable = usableOf(known);
  const now = usable.find(({ url }) => url === current);
  const order = inOrder(usable);
  const [first] = order;
  if (!now) return first?.url;
  if (now.rttMs === undefined && !now.failed) return now.url;
  if (first && isClearlyBetter(first, now)) return first.url;
  return order.find((one) => rank(one.url) > rank(now.url) && isEqual(one, now))?.url ?? now.url;
}

/**
 * The addresses that may be used: where the server is named by `https`, only those. Whoever wants that does not want it
 * spoken to in the clear because that is faster, or answers. Pure.
 */
export function usableOf(known: readonly KnownAddress[]): readonly KnownAddress[] {
  const secure = known.filter(({ url }) => url.startsWith('https:'));
  return secure.length > 0 ? secure : known;
}

/** Addresses from the best to the worst, without regard to which one is in use. Pure. */
export function inOrder(known: readonly KnownAddress[]): readonly KnownAddress[] {
  return known.toSorted(
    (a, b) =>
      Number(a.rttMs === undefined) - Number(b.rttMs === undefined) ||
      Number(a.failed) - Number(b.failed) ||
      PLACES.indexOf(a.place) - PLACES.indexOf(b.place) ||
      (a.rttMs ?? 0) - (b.rttMs ?? 0) ||
      rank(b.url) - rank(a.url),
  );
}

/** Where an address is; a name that is not `localhost` may be anywhere. Pure. */
export function placeOf(url: string, interfaces: Interfaces): Place {
  const host = hostOf(url);
  if (isLoopbackHost(host)) return 'loopback';
  // With a zone it is on that network or nowhere.
  if (zoneOf(host) !== undefined) return 'link';
  return isNeighbour(host, interfaces) ? 'link' : 'beyond';
}

function isClearlyBetter(one: KnownAddress, now: KnownAddress): boolean {
  if (one.rttMs === undefined || now.rttMs === undefined) return one.rttMs !== undefined;
  if (one.failed !== now.failed) return now.failed;
  if (one.place !== now.place) return PLACES.indexOf(one.place) < PLACES.indexOf(now.place);
  return now.rttMs - one.rttMs > tolerance(now.rttMs);
}

function isEqual(one: KnownAddress, now: KnownAddress): boolean {
  if (one.rttMs === undefined || now.rttMs === undefined) return false;
  if (one.failed !== now.failed || one.place !== now.place) return false;
  return one.rttMs - now.rttMs <= tolerance(now.rttMs) * EQUAL;
}

function tolerance(rttMs: number): number {
  return Math.max(BETTER_MS, rttMs * BETTER_PART);
}

/** Which of equal addresses is preferred; link-local IPv6 is there for where nothing else is. */
function rank(url: string): number {
  const host = hostOf(url);
  if (zoneOf(host) !== undefined) return 0;
  return isIP(host) === 6 ? 2 : 1;
}
