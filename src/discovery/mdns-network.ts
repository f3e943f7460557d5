import { networkInterfaces } from 'node:os';
import type { Clock } from '../clock.ts';
import type { Interfaces } from './interfaces.ts';
import { type LinkEvent, LinkWatch } from './link-watch.ts';
import { Neighbourhood } from './mdns-near.ts';

export interface MdnsNetworkOptions {
  /** The only interfaces to use; empty = all. */
  readonly interfaces: readonly string[];
  readonly clock: Clock;
  /** Called after `near` has the new state. Must not throw. */
  readonly onEvent: (event: LinkEvent) => void;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly read?: (() => Interfaces) | undefined;
}

/** Watches the networks of both families; a change is noticed within a second, and so is a sleep of the machine. */
export class MdnsNetwork implements Disposable {
  readonly #options: MdnsNetworkOptions;
  readonly #watch: LinkWatch;
  #near: Neighbourhood;
  #seen = '';
  #started = false;

  constructor(options: MdnsNetworkOptions) {
    this.#options = options;
    this.#near = new Neighbourhood({}, options.interfaces);
    this.#watch = new LinkWatch({
      interfaces: options.interfaces,
      clock: options.clock,
      read: () => this.#read(),
      // That links changed is noticed by `#read`, in which IPv6 counts too.
      onEvent: (event) => {
        if (event === 'woke') options.onEvent(event);
      },
    });
  }

  /** The networks as last seen. */
  get near(): Neighbourhood {
    return this.#near;
  }

  /** Reads the networks and begins to watch them; the first reading is no event. */
  start(): void {
    this.#watch.start();
    this.#started = true;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #read(): Interfaces {
    const interfaces = (this.#options.read ?? networkInterfaces)();
    const near = new Neighbourhood(interfaces, this.#options.interfaces);
    const seen = JSON.stringify([near.places, ...near.addresses]);
    if (seen === this.#seen) return interfaces;
    this.#seen = seen;
    this.#near = near;
    if (this.#started) this.#options.onEvent('changed');
    return interfaces;
  }
}
