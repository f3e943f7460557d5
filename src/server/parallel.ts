import type { Clock } from '../clock.ts';
import { findEnvironment } from './find-environment.ts';
import type { Environment } from './ollama-environment.ts';
import { limitsOf, type Parallel } from './ollama-limits.ts';

/** Looking through the processes of a busy machine and asking systemd take well under a second together. */
const LIMIT_MS = 3000;
/** A restart of Ollama within a second may be seen by nobody; its new environment is then found after this. */
const FRESH_MS = 60_000;

export interface OllamaParallelOptions {
  /** Base URL of the Ollama. */
  readonly url: string;
  /** What the user said, if anything, 1-64. */
  readonly given: number | undefined;
  readonly clock: Clock;
}

/**
 * Knows how many requests an Ollama runs at once, and its other limits. Nothing here waits for what it looks up:
 * the answer is that of the last look, and Ollama's default until the first one has ended.
 */
export class OllamaParallel implements Disposable {
  readonly #options: OllamaParallelOptions;
  #environment: Environment | undefined;
  #version: string | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  readonly #ended = new AbortController();

  constructor(options: OllamaParallelOptions) {
    this.#options = options;
  }

  /** What is known now; when that is old, a new look is taken beside. */
  known(): Parallel {
    if (this.#options.clock.now() - this.#lookedAt >= FRESH_MS) void this.#look();
    return limitsOf({
      given: this.#options.given,
      environment: this.#environment,
      version: this.#version,
    });
  }

  /** What the last look has found of Ollama's environment; undefined where nothing could be read. */
  get environment(): Environment | undefined {
    return this.#environment;
  }

  /**
   * Ollama answers, for the first time or after having been away: it may be another process with another
   * environment now. Resolves with what a look begun after this call has found; never rejects.
   */
  async cameBack(version: string | undefined): Promise<Parallel> {
    this.#version = version;
    // One under way may have begun with the process that is gone.
    await this.#looking;
    await this.#look();
    return this.known();
  }

  /** Ends a look that is under way; what is known stays. */
  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  #look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #read(): Promise<void> {
    const { url, clock } = this.#options;
    this.#lookedAt = clock.now();
    const late = new AbortController();
    const end = () => late.abort();
    const stopTimer = clock.after(LIMIT_MS, end);
    this.#ended.signal.addEventListener('abort', end, { once: true });
    if (this.#ended.signal.aborted) end();
    try {
      const found = await findEnvironment(url, late.signal);
      // A look that was cut short has not seen everything, so it proves nothing.
      if (!late.signal.aborted) this.#environment = found;
    } catch {
      // A sandbox may refuse even the list of interfaces: then nothing can be told.
      this.#environment = undefined;
    } finally {
      stopTimer();
      this.#ended.signal.removeEventListener('abort', end);
    }
  }
}
