import type { Cancel } from '../clock.ts';
import type { DiscoveryNotice } from '../discovery/notice.ts';
import type { DiscoveryTraffic } from '../discovery/traffic.ts';
import type { CostFileNotice } from '../fleet/cost-file.ts';
import type { FleetEvent } from '../fleet/events.ts';
import type { ProxyEvent } from '../proxy/events.ts';
import type { QueueEvent } from '../server/events.ts';
import type { HealthEvent } from './health/events.ts';

/** All that can be observed of a daemon; `type` is unique among them. */
export type ObservedEvent =
  | FleetEvent
  | ProxyEvent
  | QueueEvent
  | DiscoveryNotice
  | DiscoveryTraffic
  | CostFileNotice
  | HealthEvent;

export type Listener = (event: ObservedEvent) => void;

/** Passes on what happens to those who observe: logs, metrics, traces. One that throws is told of and costs nobody. */
export class EventStream {
  readonly #listeners = new Set<Listener>();
  readonly #onFailure: (error: unknown) => void;

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** Calls all listeners at once, in the order they came. Bound: parts emit it as they would call a function. */
  readonly emit = (event: ObservedEvent): void => {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#onFailure(error);
      }
    }
  };

  /** Has a listener called for each event from now on, until cancelled. */
  listen(listener: Listener): Cancel {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
