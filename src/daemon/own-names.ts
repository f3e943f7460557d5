import { hostname, networkInterfaces } from 'node:os';
import type { Clock } from '../clock.ts';
import type { OwnNames } from '../security/host-rules.ts';

/** Interfaces are listed anew at most this often, ms: it is asked for with every request. */
const FRESH_MS = 1000;

/** This machine's names and addresses as they are now, for judging Host headers. */
export function ownNames(clock: Clock, names: readonly string[]): () => OwnNames {
  let known: OwnNames | undefined;
  let readAt = 0;
  return () => {
    if (known && clock.now() - readAt < FRESH_MS) return known;
    readAt = clock.now();
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    known = { hostname: hostname(), names, addresses: new Set(addresses.map((info) => info.address)) };
    return known;
  };
}
