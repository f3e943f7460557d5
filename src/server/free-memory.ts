import { freemem } from 'node:os';
import type { Clock } from '../clock.ts';
import type { GpuCard } from '../fleet/machine-facts.ts';
import type { GpuTool } from './gpu-tool.ts';

/** A reading is good for this long, ms. */
const FRESH_MS = 10_000;

/**
 * Tells how much memory for models is free on this machine, in bytes: that of its graphics cards where their maker's
 * tool tells it, else main memory, where Ollama then runs. The answer is the last reading; a new one is taken beside.
 */
export class FreeMemory {
  readonly #clock: Clock;
  readonly #gpus: Pick<GpuTool, 'cards'>;
  #bytes: number | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  /** Told when a reading has come in. */
  onRead: () => void = () => {};

  constructor(clock: Clock, gpus: Pick<GpuTool, 'cards'>) {
    this.#clock = clock;
    this.#gpus = gpus;
  }

  bytes(): number | undefined {
    const now = this.#clock.now();
    if (now - this.#readAt >= FRESH_MS) {
      this.#readAt = now;
      void this.#read();
    }
    return this.#bytes;
  }

  async #read(): Promise<void> {
    const cards = await this.#gpus.cards();
    this.#bytes = freeOf(cards) ?? freemem();
    this.onRead();
  }
}

/** The free memory of all cards, bytes; undefined where there are none, or one does not tell. Pure. */
export function freeOf(cards: readonly GpuCard[]): number | undefined {
  const free = cards.map(({ freeBytes }) => freeBytes);
  if (free.length === 0 || free.includes(null)) return undefined;
  return free.reduce<number>((sum, one) => sum + (one ?? 0), 0);
}
