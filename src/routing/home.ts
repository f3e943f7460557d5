import type { Clock } from '../clock.ts';

/** Files of a model are uploaded minutes before the create that uses them; after this nobody remembers, ms. */
const KEPT_MS = 30 * 60_000;

/**
 * Remembers which server the blobs uploaded through this daemon went to, so that the rest of them and the create
 * meet there.
 */
export class Home {
  readonly #clock: Clock;
  #deviceId: string | undefined;
  #at = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The server of the last blob; undefined when it was long ago. */
  get deviceId(): string | undefined {
    return this.#clock.now() - this.#at < KEPT_MS ? this.#deviceId : undefined;
  }

  set(deviceId: string): void {
    this.#deviceId = deviceId;
    this.#at = this.#clock.now();
  }
}
