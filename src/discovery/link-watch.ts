import { networkInterfaces } from 'node:os';
import type { Cancel, Clock } from '../clock.ts';
import { type Interfaces, type Link, usableLinks } from './interfaces.ts';
import { linkLocalLinks } from './link-local.ts';

/** `changed`: a link came, went, or has another address. `woke`: the machine slept, so whatever we knew is old. */
export type LinkEvent = 'changed' | 'woke';

export interface LinkWatchOptions {
  /** The only interfaces to use; empty = all. */
  readonly interfaces: readonly string[];
  /** Whether link-local IPv6 is looked at, too; true unless given. */
  readonly linkLocal?: boolean | undefined;
  readonly clock: Clock;
  /** Called after `links` has the new state. Must not throw. */
  readonly onEvent: (event: LinkEvent) => void;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly read?: (() => Interfaces) | undefined;
}

/** Node has no event for it; reading the list costs some 50 microseconds. */
const POLL_MS = 1000;

/** A tick this late is no busy event loop. */
const SLEEP_MS = 5000;

/** Watches the machine's network links, and notices that it slept. */
export class LinkWatch implements Disposable {
  readonly #options: LinkWatchOptions;
  #links: readonly Link[] = [];
  #tickedAt = 0;
  #cancel: Cancel | undefined;

  constructor(options: LinkWatchOptions) {
    this.#options = options;
  }

  /** The links as last seen. */
  get links(): readonly Link[] {
    return this.#links;
  }

  /** Reads the links and begins to watch them; the first reading is no event. */
  start(): void {
    if (this.#cancel) return;
    const { clock } = this.#options;
    this.#links = this.#read();
    this.#tickedAt = clock.wall();
    this.#cancel = clock.every(POLL_MS, () => this.#tick());
  }

  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#cancel = () => {};
  }

  #tick(): void {
    const wall = this.#options.clock.wall();
    const slept = wall - this.#tickedAt > POLL_MS + SLEEP_MS;
    this.#tickedAt = wall;
    const links = this.#read();
    const changed = JSON.stringify(links) !== JSON.stringify(this.#links);
    this.#links = links;
    if (changed) this.#options.onEvent('changed');
    else if (slept) this.#options.onEvent('woke');
  }

  #read(): readonly Link[] {
    try {
      const interfaces = (this.#options.read ?? networkInterfaces)();
      const { interfaces: only, linkLocal = true } = this.#options;
      return [...usableLinks(interfaces, only), ...(linkLocal ? linkLocalLinks(interfaces, only) : [])];
    } catch {
      // The system refused the list this time (sandboxes do): what we knew is the best guess.
      return this.#links;
    }
  }
}
