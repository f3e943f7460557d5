import type { Cancel, Clock } from '../clock.ts';
import type { Verdict } from './verdict-rules.ts';

export interface SelfDoubtOptions {
  readonly clock: Clock;
  /** The machine has slept: whatever was known is old. */
  readonly onWake: () => void;
}

const BEAT_MS = 250;
/** A beat this late, ms, is an event loop that stood still: answers may have waited unread meanwhile. */
const STALL_MS = 500;
/** The wall clock this far ahead, ms, is a machine that slept. */
const SLEEP_MS = 5000;
/** The peers' resets of connections that a sleep has killed come in when something is sent there next, ms. */
const AWAKE_AFTER_MS = 5000;
/** Servers that fail within this, ms, have one cause, and that is rather here than at each of them. */
const AT_ONCE_MS = 1000;

/** What a beat says that comes `elapsedMs` after the one before, by the wall clock `wallMs`. Pure. */
export function beatSays(elapsedMs: number, wallMs: number): 'well' | 'stalled' | 'slept' {
  if (wallMs > BEAT_MS + SLEEP_MS) return 'slept';
  return elapsedMs > BEAT_MS + STALL_MS ? 'stalled' : 'well';
}

/**
 * Whether the servers seem to have failed all at once, at least one of them unreachable: then it is our own link.
 * One alone, or one that says itself that it failed, has nobody to share it with. Pure.
 */
export function failedAtOnce(verdicts: readonly Verdict[], wallMs: number): boolean {
  const recent: Verdict[] = [];
  let unreached = false;
  for (const verdict of verdicts) {
    if (verdict.state === 'reliable') return false;
    if (wallMs - verdict.sinceMs > AT_ONCE_MS) continue;
    if (verdict.cause === 'status') return false;
    recent.push(verdict);
    unreached ||= verdict.cause === 'dial';
  }
  return recent.length > 1 && unreached;
}

/** Notices when this process itself stood still, so that nobody else is blamed for what it missed. */
export class SelfDoubt implements Disposable {
  readonly #options: SelfDoubtOptions;
  readonly #stop: Cancel;
  #beatAt: number;
  #wallAt: number;
  #stalledAt = Number.NEGATIVE_INFINITY;
  #wokeAt = Number.NEGATIVE_INFINITY;

  constructor(options: SelfDoubtOptions) {
    const { clock } = options;
    this.#options = options;
    this.#beatAt = clock.now();
    this.#wallAt = clock.wall();
    this.#stop = clock.every(BEAT_MS, () => this.#beat());
  }

  /** Whether this process stood still at some moment since then, on the clock. */
  stalledSince(ms: number): boolean {
    // A timer that was due during a stall may be served before the beat that was.
    this.#beat();
    return Math.max(this.#stalledAt, this.#wokeAt) >= ms;
  }

  /** Whether the machine has slept a moment ago. */
  justWoke(): boolean {
    this.#beat();
    return this.#options.clock.now() - this.#wokeAt < AWAKE_AFTER_MS;
  }

  #beat(): void {
    const { clock, onWake } = this.#options;
    const [now, wall] = [clock.now(), clock.wall()];
    const says = beatSays(now - this.#beatAt, wall - this.#wallAt);
    this.#beatAt = now;
    this.#wallAt = wall;
    if (says === 'stalled') this.#stalledAt = now;
    if (says !== 'slept') return;
    this.#wokeAt = now;
    onWake();
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
