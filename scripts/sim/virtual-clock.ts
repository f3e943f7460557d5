import type { Cancel, Clock } from '../../src/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  fn: (() => void) | undefined;
}

/** A clock that jumps from one timer to the next: hours pass in seconds, and every run is the same. */
export class VirtualClock implements Clock {
  /** A binary heap, the next timer first. */
  readonly #heap: Timer[] = [];
  #now = 0;
  #order = 0;

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): Cancel {
    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order, fn };
    this.#order += 1;
    this.#push(timer);
    return () => {
      timer.fn = undefined;
    };
  }

  every(ms: number, fn: () => void): Cancel {
    let stop: Cancel;
    const again = () => {
      stop = this.after(ms, again);
      fn();
    };
    stop = this.after(ms, again);
    return () => stop();
  }

  /** Runs timers until `done` says so or none is left; returns the time. */
  run(done: () => boolean): number {
    while (!done()) {
      const timer = this.#pop();
      if (!timer) break;
      if (!timer.fn) continue;
      this.#now = timer.at;
      timer.fn();
    }
    return this.#now;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Timer;
      if (!before(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const [top] = heap;
    const last = heap.pop();
    if (!top || !last || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      const right = heap[down + 1];
      if (right && before(right, heap[down] as Timer)) down += 1;
      const child = heap[down];
      if (!child || !before(child, last)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
    return top;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
