/**
 * Who waits for one model: first come first served for each device, and the devices take turns, so that one
 * with a hundred requests delays another's next one by a single turn.
 */
export class WaitLine<T extends { readonly device: string }> {
  /** In the order of their turns; a device that was served goes to the end. */
  readonly #devices = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(one: T): void {
    const own = this.#devices.get(one.device);
    if (own) own.add(one);
    else this.#devices.set(one.device, new Set([one]));
    this.#size += 1;
  }

  has(one: T): boolean {
    return this.#devices.get(one.device)?.has(one) ?? false;
  }

  /** Whose turn it is; undefined when nobody waits. */
  first(): T | undefined {
    for (const own of this.#devices.values()) for (const one of own) return one;
    return undefined;
  }

  /**
   * Takes out `one`; returns whether it was there. When it was `served`, its device's next turn comes after
   * everybody else's.
   */
  remove(one: T, served: boolean): boolean {
    const own = this.#devices.get(one.device);
    if (!own?.delete(one)) return false;
    this.#size -= 1;
    if (own.size > 0 && !served) return true;
    this.#devices.delete(one.device);
    if (own.size > 0) this.#devices.set(one.device, own);
    return true;
  }

  /** Those whose turn comes before that of `one`, which is in the line. */
  *ahead(one: T): Iterable<T> {
    const turn = [...(this.#devices.get(one.device) ?? [])].indexOf(one);
    let isBefore = true;
    for (const [device, own] of this.#devices) {
      if (device === one.device) isBefore = false;
      let left = turn + (isBefore ? 1 : 0);
      for (const other of own) {
        if (left === 0) break;
        left -= 1;
        yield other;
      }
    }
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const own of this.#devices.values()) yield* own;
  }
}
