import { networkInterfaces } from 'node:os';
import type { Cancel, Clock } from '../clock.ts';
import type { Interfaces } from '../discovery/interfaces.ts';

/** Whether an address, with or without its zone, is one of this machine. */
export type IsOurs = (address: string) => boolean;

export interface OwnAddressesOptions {
  readonly clock: Clock;
  /** An address came or went. Must not throw. */
  readonly onChange: (isOurs: IsOurs) => void;
  /** One is gone for good. Must not throw. */
  readonly onGone: (isOurs: IsOurs) => void;
  /** How the interfaces are read; `os.networkInterfaces` unless given. */
  readonly read?: (() => Interfaces) | undefined;
}

/** Node has no event for it; reading the list costs some 50 microseconds. */
const POLL_MS = 1000;

/** An address is away while its cable is. Back within this, ms, its connections go on; a probe gives up as late. */
const GONE_MS = 2000;

/**
 * Watches the addresses of this machine. The system tells nobody that a connection has lost its own one: what is sent
 * goes out, and nothing comes back, for a quarter of an hour.
 */
export class OwnAddresses implements Disposable {
  readonly #options: OwnAddressesOptions;
  readonly #stop: Cancel;
  #now: ReadonlySet<string>;
  /** Address -> since when it is away, on the clock. */
  readonly #away = new Map<string, number>();

  constructor(options: OwnAddressesOptions) {
    this.#options = options;
    this.#now = this.#read() ?? new Set();
    this.#stop = options.clock.every(POLL_MS, () => this.#tick());
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  #tick(): void {
    const { clock, onChange, onGone } = this.#options;
    const before = this.#now;
    const now = this.#read() ?? before;
    this.#now = now;
    const left = [...before].filter((address) => !now.has(address));
    for (const address of left) this.#away.set(address, clock.now());
    for (const address of now) this.#away.delete(address);
    if (left.length > 0 || now.size !== before.size) onChange((address) => now.has(plain(address)));
    const gone = [...this.#away].filter(([, since]) => clock.now() - since >= GONE_MS);
    for (const [address] of gone) this.#away.delete(address);
    if (gone.length > 0) onGone((address) => now.has(plain(address)) || this.#away.has(plain(address)));
  }

  /** Undefined where the system refused the list this time, as sandboxes do. */
  #read(): ReadonlySet<string> | undefined {
    try {
      const infos = Object.values((this.#options.read ?? networkInterfaces)()).flatMap((list) => list ?? []);
      return new Set(infos.map(({ address }) => address));
    } catch {
      return undefined;
    }
  }
}

function plain(address: string): string {
  return address.replace(/%.*$/, '');
}
