import { execFile } from 'node:child_process';
import type { Clock } from '../clock.ts';
import type { GpuCard } from '../fleet/machine-facts.ts';
import { NVIDIA_ARGS, ROCM_ARGS, readNvidia, readRocm } from './gpu-cards.ts';

/** A reading is good for this long, ms: the tools take some 50 ms of CPU each time. */
const FRESH_MS = 8000;
/** A driver in trouble lets its tool hang. */
const TOOL_LIMIT_MS = 2000;
/** 32 cards are some 10 KB. */
const MOST_BYTES = 256 * 1024;

interface Tool {
  readonly name: string;
  readonly args: readonly string[];
  readonly read: (text: string) => readonly GpuCard[];
}

const TOOLS: readonly Tool[] = [
  { name: 'nvidia-smi', args: NVIDIA_ARGS, read: readNvidia },
  { name: 'rocm-smi', args: ROCM_ARGS, read: readRocm },
];

/** Reads the graphics cards of this machine by their makers' tools: at most once in 8 s, however many ask. */
export class GpuTool {
  readonly #clock: Clock;
  #tools = TOOLS;
  #cards: readonly GpuCard[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<readonly GpuCard[]> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The cards by a reading not older than 8 s; none where there is no tool, or none that works. Never rejects, and
   * takes at most 2 s for each tool.
   */
  cards(): Promise<readonly GpuCard[]> {
    if (this.#reading) return this.#reading;
    const now = this.#clock.now();
    if (now - this.#readAt < FRESH_MS) return Promise.resolve(this.#cards);
    this.#readAt = now;
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<readonly GpuCard[]> {
    for (const tool of this.#tools) {
      const { text, missing } = await output(tool);
      // A machine without the tool does not grow one; one whose tool failed once may answer the next time.
      if (missing) this.#tools = this.#tools.filter((one) => one !== tool);
      const cards = text === undefined ? [] : tool.read(text);
      if (cards.length === 0) continue;
      this.#cards = cards;
      return cards;
    }
    this.#cards = [];
    return this.#cards;
  }
}

function output({ name, args }: Tool): Promise<{ text: string | undefined; missing: boolean }> {
  const limits = {
    timeout: TOOL_LIMIT_MS,
    maxBuffer: MOST_BYTES,
    windowsHide: true,
    killSignal: 'SIGKILL',
  } as const;
  return new Promise((resolve) => {
    execFile(name, args, limits, (error, stdout) =>
      resolve({ text: error ? undefined : stdout, missing: error?.code === 'ENOENT' }),
    );
  });
}
