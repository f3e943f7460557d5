import { isOwnAddress } from '../limits.ts';
import type { Job, PlaceEvents } from '../routing/desk.ts';
import { WaitLine } from './wait-line.ts';

/** One request that waits for a seat. */
export interface Waiting {
  readonly device: string;
  readonly job: Job;
  /** Since when, ms on the clock. */
  readonly since: number;
  /** Expected when it came, ms of the GPU alone: thousands may wait, and each newcomer asks for the sum. */
  readonly workMs: number;
  readonly events: PlaceEvents;
}

/** One device's places: far more than apps have open; a hostile one gets no further. */
const MAX_PER_DEVICE = 256;
/** One address's, whatever devices it says are behind it: four that are full. */
const MAX_PER_ADDRESS = 4 * MAX_PER_DEVICE;
/** All devices together: a seat takes seconds, so the last of these waits for an hour. */
const MAX_IN_ALL = 4096;

/** Everybody who waits, in a line for each model. */
export class Queues {
  readonly #lines = new Map<string, WaitLine<Waiting>>();
  readonly #perDevice = new Map<string, number>();
  readonly #perAddress = new Map<string, number>();
  #size = 0;

  /** Why `device` gets no further place; undefined when it does. */
  full(device: string): string | undefined {
    const own = this.#perDevice.get(device) ?? 0;
    const address = addressIn(device);
    const there = address === undefined ? 0 : (this.#perAddress.get(address) ?? 0);
    if (own < MAX_PER_DEVICE && there < MAX_PER_ADDRESS && this.#size < MAX_IN_ALL) return undefined;
    return `its queue is full (${own} waiting of this device, ${this.#size} in all)`;
  }

  add(waiting: Waiting): void {
    const { model } = waiting.job;
    const line = this.#lines.get(model) ?? new WaitLine<Waiting>();
    this.#lines.set(model, line);
    line.push(waiting);
    this.#count(waiting.device, 1);
  }

  /** Takes out one that is served, or with `served` false one that left; returns whether it was there. */
  take(waiting: Waiting, served: boolean): boolean {
    const { model } = waiting.job;
    const line = this.#lines.get(model);
    if (!line?.remove(waiting, served)) return false;
    if (line.size === 0) this.#lines.delete(model);
    this.#count(waiting.device, -1);
    return true;
  }

  sizeOf(model: string): number {
    return this.#lines.get(model)?.size ?? 0;
  }

  of(model: string): Iterable<Waiting> {
    return this.#lines.get(model) ?? [];
  }

  /** Those whose turn for the same model comes before that of `waiting`. */
  ahead(waiting: Waiting): Iterable<Waiting> {
    return this.#lines.get(waiting.job.model)?.ahead(waiting) ?? [];
  }

  /** Whether it waits still. */
  has(waiting: Waiting): boolean {
    return this.#lines.get(waiting.job.model)?.has(waiting) ?? false;
  }

  models(): Iterable<string> {
    return this.#lines.keys();
  }

  /** Whose turn it is for each model, the longest waiting first. */
  heads(): Waiting[] {
    const heads: Waiting[] = [];
    for (const line of this.#lines.values()) {
      const head = line.first();
      if (head) heads.push(head);
    }
    return heads.sort((a, b) => a.since - b.since);
  }

  #count(device: string, more: 1 | -1): void {
    this.#size += more;
    count(this.#perDevice, device, more);
    const address = addressIn(device);
    if (address !== undefined) count(this.#perAddress, address, more);
  }
}

function count(counts: Map<string, number>, key: string, more: 1 | -1): void {
  const now = (counts.get(key) ?? 0) + more;
  if (now > 0) counts.set(key, now);
  else counts.delete(key);
}

/** The address that a device comes from, where it is another machine's: it stands before the name that it gives itself. */
function addressIn(device: string): string | undefined {
  const end = device.indexOf(' ');
  const address = end === -1 ? undefined : device.slice(0, end);
  return isOwnAddress(address) ? undefined : address;
}
