import type { DiscoverySource, OnSighting } from '../src/discovery/sighting.ts';
import type { ManualClock } from './_beacon.ts';

/** Where a source learns of servers, and one server there: to be made to come, leave and lie. */
export interface Medium extends AsyncDisposable {
  readonly clock: ManualClock;
  /** A new source, not started. With `own` it knows its own device where it can know devices at all. */
  source(onSighting: OnSighting, own?: string): DiscoverySource;
  /** The server is there from now on, as this device. Sources that look at their leisure are made to look. */
  appear(id: string): Promise<void>;
  /** The server is silent from now on. */
  vanish(): Promise<void>;
  /** The server leaves and says so. */
  leave(): Promise<void>;
  /** What no honest server says. */
  lie(): Promise<void>;
}

/** For what a medium cannot do, or need not be told. */
export const nothing = async () => {};
