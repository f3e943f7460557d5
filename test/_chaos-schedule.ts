/** What is done to a server, for how long. */
export type Trouble =
  /** The process is killed and started again. */
  | { readonly kind: 'kill'; readonly process: 'serve' | 'ollama' }
  /** The process stands still, as one that swaps or is in a debugger. */
  | { readonly kind: 'freeze'; readonly process: 'serve' | 'ollama' }
  /** Nothing passes between client and server; connections stay open. */
  | { readonly kind: 'drop-link' }
  /** A fault of the simulated Ollama, as its command line takes it. */
  | { readonly kind: 'fault'; readonly fault: { readonly kind: string; readonly [more: string]: unknown } };

export interface Incident {
  /** Milliseconds after the start. */
  readonly atMs: number;
  readonly forMs: number;
  /** Index of the server among those that may be troubled. */
  readonly server: number;
  readonly trouble: Trouble;
}

/** What can befall a server; each comes about as often as the others. */
export const TROUBLES: readonly Trouble[] = [
  { kind: 'kill', process: 'serve' },
  { kind: 'kill', process: 'ollama' },
  { kind: 'freeze', process: 'serve' },
  { kind: 'freeze', process: 'ollama' },
  { kind: 'drop-link' },
  { kind: 'fault', fault: { kind: 'status', status: 503 } },
  { kind: 'fault', fault: { kind: 'slow-first-byte', ms: 1500 } },
  { kind: 'fault', fault: { kind: 'slow-all', ms: 700 } },
  { kind: 'fault', fault: { kind: 'cut', afterLines: 4, midLine: true } },
  { kind: 'fault', fault: { kind: 'error-line', afterLines: 5, message: 'runner failed' } },
  { kind: 'fault', fault: { kind: 'reset' } },
];

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * `count` incidents within `lengthMs`, the same for the same seed: every kind as often as the others, 1 to 6 s long,
 * one in eight long enough for a silent server to be given up; never two at once at one of the `servers`. Pure.
 */
export function schedule(
  seed: number,
  servers: number,
  count: number,
  lengthMs: number,
  troubles: readonly Trouble[] = TROUBLES,
): Incident[] {
  const dice = seeded(seed);
  const deck: Trouble[] = [];
  const freeAt = Array.from({ length: servers }, () => 0);
  return Array.from({ length: count }, (_, i) => {
    if (deck.length === 0) deck.push(...troubles);
    const [trouble] = deck.splice(Math.floor(dice() * deck.length), 1) as [Trouble];
    const forMs = i % 8 === 5 ? 18_000 : 1000 + dice() * 5000;
    const server = freeAt.indexOf(Math.min(...freeAt));
    const atMs = Math.max((lengthMs * i) / count, freeAt[server] ?? 0);
    freeAt[server] = atMs + forMs + 1000;
    return { atMs, forMs, server, trouble };
  });
}

/** One line for each incident, for people. */
export function scheduleText(incidents: readonly Incident[]): string {
  return incidents
    .map(
      ({ atMs, forMs, server, trouble }) =>
        `${(atMs / 1000).toFixed(1)} s: server ${server}, ${(forMs / 1000).toFixed(1)} s of ${JSON.stringify(trouble)}`,
    )
    .join('\n');
}
