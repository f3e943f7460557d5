import type { SeenRequest } from './seen.ts';

/** What can be made to go wrong. `afterLines` counts stream lines (SSE: events) written before it happens. */
export type Fault =
  /** Answers this status; `body` as text goes out as it is, default Ollama's error shape. */
  | { kind: 'status'; status: number; body?: string | object; headers?: Record<string, string> }
  /** RST after the body was read, before any byte of the answer. */
  | { kind: 'reset' }
  /** The socket is destroyed mid-stream; `midLine` also sends the first half of the next line. */
  | { kind: 'cut'; afterLines: number; midLine?: boolean }
  /** The chunked body ends cleanly without the terminal marker. */
  | { kind: 'clean-cut'; afterLines: number }
  /** Silence for ever mid-stream, socket open. */
  | { kind: 'stall'; afterLines: number }
  /** Never answers; socket open. */
  | { kind: 'hang' }
  /** The answer begins this many milliseconds late. */
  | { kind: 'slow-first-byte'; ms: number }
  /** One broken JSON line, then the stream goes on. */
  | { kind: 'malformed'; afterLines: number }
  /** Ollama's own mid-stream error: a line and a clean end; on `/v1` swallowed, as Ollama does. */
  | { kind: 'error-line'; afterLines: number; message: string }
  /** A frozen process: no route answers and running streams stop, until the fault is cleared. */
  | { kind: 'hang-all' }
  /** Every route answers this many milliseconds late. */
  | { kind: 'slow-all'; ms: number };

/** Which requests a fault meets. */
export interface FaultScope {
  /** After this many requests the fault is over; default never. */
  times?: number;
  /** Default: the inference routes; for `hang-all` and `slow-all` every route. */
  match?: (request: SeenRequest) => boolean;
}

/** The faults of one simulated Ollama, switchable while it runs. At most one is set at a time. */
export class Faults {
  #fault: Fault | undefined;
  #left = Number.POSITIVE_INFINITY;
  #match: (request: SeenRequest) => boolean = isInference;
  #thaw: (() => void)[] = [];

  /** Replaces the fault; `undefined` clears it. */
  set(fault: Fault | undefined, scope: FaultScope = {}): void {
    const everywhere = fault?.kind === 'hang-all' || fault?.kind === 'slow-all';
    this.#fault = fault;
    this.#left = scope.times ?? Number.POSITIVE_INFINITY;
    this.#match = scope.match ?? (everywhere ? () => true : isInference);
    if (fault?.kind !== 'hang-all') for (const go of this.#thaw.splice(0)) go();
  }

  clear(): void {
    this.set(undefined);
  }

  /** The fault now set, whether or not it has been met; undefined once its `times` are used up. */
  get current(): Fault | undefined {
    return this.#left > 0 ? this.#fault : undefined;
  }

  /** The fault that this request meets; counts against `times`. */
  take(request: SeenRequest): Fault | undefined {
    if (!this.#fault || this.#left <= 0 || !this.#match(request)) return undefined;
    this.#left--;
    return this.#fault;
  }

  /** Whether all streams stand still. */
  get frozen(): boolean {
    return this.#fault?.kind === 'hang-all';
  }

  /** Resolves when the process is no longer frozen, or when `signal` aborts. */
  thawed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (!this.frozen || signal.aborted) return resolve();
      const done = () => {
        signal.removeEventListener('abort', done);
        const at = this.#thaw.indexOf(done);
        if (at >= 0) this.#thaw.splice(at, 1);
        resolve();
      };
      this.#thaw.push(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

/** Whether a request asks a model for something. */
export function isInference(request: Pick<SeenRequest, 'method' | 'path'>): boolean {
  if (request.method !== 'POST') return false;
  const path = request.path.split('?', 1)[0] ?? '';
  return path.startsWith('/v1/') || /^\/api\/(generate|chat|embed|embeddings)$/.test(path);
}
