import { execFile } from 'node:child_process';
import { freemem } from 'node:os';
import type { Clock } from '../clock.ts';

/** A reading is good for this long, ms: the tool takes some 50 ms of CPU. */
const FRESH_MS = 10_000;
const TOOL_LIMIT_MS = 2000;
const MIB = 1024 * 1024;

/**
 * Tells how much memory for models is free on this machine, in bytes: that of its NVIDIA GPUs where their tool is
 * there, else main memory, where Ollama then runs. The answer is the last reading; a new one is taken beside.
 */
export class FreeMemory {
  readonly #clock: Clock;
  #bytes: number | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #hasTool = true;
  /** Told when a reading has come in. */
  onRead: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  bytes(): number | undefined {
    const now = this.#clock.now();
    if (now - this.#readAt >= FRESH_MS) {
      this.#readAt = now;
      this.#read();
    }
    return this.#bytes;
  }

  #read(): void {
    if (!this.#hasTool) {
      this.#bytes = freemem();
      return;
    }
    const args = ['--query-gpu=memory.free', '--format=csv,noheader,nounits'];
    execFile('nvidia-smi', args, { timeout: TOOL_LIMIT_MS, windowsHide: true }, (error, stdout) => {
      const free = error ? undefined : sumMebibytes(stdout);
      // A machine without the tool does not grow one; one whose tool failed once may answer the next time.
      if (error?.code === 'ENOENT') this.#hasTool = false;
      this.#bytes = free ?? freemem();
      this.onRead();
    });
  }
}

/** The sum of the lines of `nvidia-smi --query-gpu=memory.free --format=csv,noheader,nounits`, in bytes. Pure. */
export function sumMebibytes(text: string): number | undefined {
  const values = text
    .trim()
    .split('\n')
    .map((line) => Number(line.trim() || Number.NaN));
  return values.every((value) => value >= 0)
    ? values.reduce((sum, value) => sum + value, 0) * MIB
    : undefined;
}
