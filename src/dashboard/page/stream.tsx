import type { LiveChange, LiveView } from '../view.ts';

/** What is known now, by key; empty before the first answer. */
export type Known = Partial<LiveView>;

/** `connecting`: not yet; `live`; `lost`: tried again all the time. */
export type Link = 'connecting' | 'live' | 'lost';

/** The server says something every 10 s, at least. */
const SILENCE_MS = 25_000;
/** A browser gives up after some answers; this page does not. */
const AGAIN_MS = 1000;

/** The daemon's view, kept up to date. */
export class Stream {
  readonly #url: string;
  readonly #listeners = new Set<() => void>();
  #source: EventSource | undefined;
  #known: Known = {};
  #link: Link = 'connecting';
  #heardAt = 0;

  constructor(url: string) {
    this.#url = url;
    this.#open();
    setInterval(() => this.#watch(), AGAIN_MS);
  }

  /** A new object whenever something has changed. */
  get known(): Known {
    return this.#known;
  }

  get link(): Link {
    return this.#link;
  }

  /** Calls `listener` after each change, until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #open(): void {
    this.#source?.close();
    this.#heardAt = Date.now();
    const source = new EventSource(this.#url);
    this.#source = source;
    source.addEventListener('snapshot', ({ data }) => {
      this.#known = (JSON.parse(data) as LiveChange).set as Known;
      this.#told();
    });
    source.addEventListener('delta', ({ data }) => {
      const { set, gone } = JSON.parse(data) as LiveChange;
      const left = Object.entries(this.#known).filter(([key]) => !gone.includes(key));
      this.#known = { ...Object.fromEntries(left), ...set } as Known;
      this.#told();
    });
    source.addEventListener('beat', () => this.#told());
    source.addEventListener('open', () => this.#told());
    source.addEventListener('error', () => this.#is(this.#link === 'connecting' ? 'connecting' : 'lost'));
  }

  #told(): void {
    this.#heardAt = Date.now();
    this.#link = 'live';
    for (const listener of this.#listeners) listener();
  }

  #is(link: Link): void {
    if (link === this.#link) return;
    this.#link = link;
    for (const listener of this.#listeners) listener();
  }

  #watch(): void {
    const isClosed = this.#source?.readyState === EventSource.CLOSED;
    if (!isClosed && Date.now() - this.#heardAt < SILENCE_MS) return;
    this.#is('lost');
    this.#open();
  }
}
