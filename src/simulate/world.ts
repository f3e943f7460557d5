import type { Clock } from '../clock.ts';
import type { BlobStore } from './blobs.ts';
import type { Faults } from './faults.ts';
import type { GpuClock } from './gpu-clock.ts';
import type { ModelStore, SimulatedModel } from './models.ts';
import type { Scheduler } from './scheduler.ts';
import type { Tokens } from './tokens.ts';

/** Everything one simulated Ollama is made of, as its routes see it. */
export interface World {
  /** Real time: loads, counters, leases, stamps. */
  readonly clock: Clock;
  /** The time in which prompts are read and tokens are made. */
  readonly gpu: GpuClock;
  readonly version: string;
  /** Bytes of model that fit in memory. */
  readonly memoryBytes: number;
  readonly models: ModelStore;
  /** What a pull finds; undefined: every name. */
  readonly registry: readonly SimulatedModel[] | undefined;
  readonly scheduler: Scheduler;
  readonly blobs: BlobStore;
  readonly faults: Faults;
  readonly tokens: Tokens;
  readonly answer: (prompt: string) => string;
  /** The wall clock as RFC 3339 text. */
  readonly stamp: () => string;
}

/** A `stamp` that formats each millisecond once: a stream may ask for it a hundred thousand times a second. */
export function stampOf(clock: Clock): () => string {
  let last = Number.NaN;
  let text = '';
  return () => {
    const now = Math.floor(clock.wall());
    if (now !== last) {
      last = now;
      text = new Date(now).toISOString();
    }
    return text;
  };
}
