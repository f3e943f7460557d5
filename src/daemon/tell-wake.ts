import { networkInterfaces } from 'node:os';
import type { Clock } from '../clock.ts';
import { type WakeCard, wakeCards } from '../discovery/wake.ts';
import type { Feed } from '../server/feed.ts';

export interface TellWakeOptions {
  readonly clock: Clock;
  readonly feed: Feed;
  /** The address that this ollana listens on. */
  readonly host: string;
  /** The only interfaces that others reach it by; empty = all. */
  readonly interfaces: readonly string[];
}

/** Cards and addresses change when somebody plugs a cable in; who is to be woken later knows it soon enough, ms. */
const LOOK_EVERY_MS = 10_000;

/** Tells watchers by which network cards this machine can be woken, if by any, until disposed. */
export function tellWake({ clock, feed, host, interfaces }: TellWakeOptions): Disposable {
  const only = host === '0.0.0.0' || host === '::' ? undefined : host;
  let told = false;
  const tell = () => {
    const cards = cardsNow(interfaces, only);
    if (cards.length > 0 || told) feed.publish('wake', { cards });
    told ||= cards.length > 0;
  };
  tell();
  return { [Symbol.dispose]: clock.every(LOOK_EVERY_MS, tell) };
}

function cardsNow(only: readonly string[], host: string | undefined): readonly WakeCard[] {
  try {
    return wakeCards(networkInterfaces(), only, host);
  } catch {
    return []; // The system refuses the list (sandboxes do).
  }
}
