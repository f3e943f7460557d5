import type { Cancel, Clock } from '../clock.ts';
import type { PathAgent } from '../security/path-agent.ts';
import { type FeedEnd, follow } from './feed-reader.ts';

export interface FeedLinkOptions {
  /** The address to follow now; it can change between streams. */
  readonly url: () => string;
  readonly clock: Clock;
  /** Makes the connections, one for each stream. */
  readonly agent: PathAgent;
  readonly connectTimeoutMs: number;
  readonly onEvent: (name: string, value: unknown) => void;
  /** A stream that had told something has ended. */
  readonly onLost: () => void;
  /** For jitter, [0, 1); Math.random unless given. */
  readonly random?: () => number;
}

/** The first wait and the longest, ms, before a stream that ended is opened again. */
const AGAIN_MIN_MS = 250;
const AGAIN_MAX_MS = 3000;
/** The wait, ms, after a server would not have us or sent rubbish: its answer will be the same for a while. */
const UNWANTED_MS = 30_000;
/** A stream that lived this long, ms, was a good one: the waits begin anew. */
const STEADY_MS = 5000;

/** Milliseconds until the next try after `tries` that failed; `dice` in [0, 1) spreads hundreds of laptops. Pure. */
function nextFollowIn(end: FeedEnd, tries: number, dice: number): number {
  const unwanted = end === 'refused' || end === 'broken';
  const base = unwanted ? UNWANTED_MS : Math.min(AGAIN_MIN_MS * 2 ** tries, AGAIN_MAX_MS);
  return base * (0.5 + dice / 2);
}

/** Keeps one stream of one server open: opened when wanted, and not sooner than is good for the server. */
export class FeedLink implements Disposable {
  readonly #options: FeedLinkOptions;
  #stream: Disposable | undefined;
  #opening: Cancel | undefined;
  #live = false;
  #openedAt = 0;
  #notBefore = Number.NEGATIVE_INFINITY;
  #tries = 0;
  #over = false;

  constructor(options: FeedLinkOptions) {
    this.#options = options;
  }

  /** The stream is open and has told something. */
  get live(): boolean {
    return this.#live;
  }

  /** Opens the stream, or sees to it that it is opened in time. Call it when the server is known to answer. */
  want(): void {
    if (this.#stream || this.#opening || this.#over) return;
    const wait = this.#notBefore - this.#options.clock.now();
    if (wait <= 0) this.#open();
    else this.#opening = this.#options.clock.after(wait, () => this.#open());
  }

  #open(): void {
    this.#opening = undefined;
    const { clock, url, agent, connectTimeoutMs, onEvent } = this.#options;
    this.#openedAt = clock.now();
    this.#stream = follow({
      url: url(),
      clock,
      agent,
      connectTimeoutMs,
      onEvent: (name, value) => {
        this.#live = true;
        onEvent(name, value);
      },
      onEnd: (end) => this.#ended(end),
    });
  }

  /** Closes the stream: it is of an address that is no longer the server's. */
  drop(): void {
    this.#opening?.();
    this.#opening = undefined;
    this.#stream?.[Symbol.dispose]();
    this.#stream = undefined;
    this.#live = false;
  }

  #ended(end: FeedEnd): void {
    const { clock, random = Math.random, onLost } = this.#options;
    const wasLive = this.#live;
    this.drop();
    if (clock.now() - this.#openedAt >= STEADY_MS) this.#tries = 0;
    this.#notBefore = clock.now() + nextFollowIn(end, this.#tries, random());
    this.#tries += 1;
    if (wasLive) onLost();
  }

  [Symbol.dispose](): void {
    this.drop();
    this.#over = true;
  }
}
