import type { Cancel } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { FeedLink } from './feed-link.ts';
import { emptyKnowledge, learnEvent } from './knowledge.ts';
import { CONNECT_MS, failureKind, look, readLists } from './probe.ts';
import { endsRequests, FIRST_LOOK_MS, isGone, nextProbeIn, type ProbeFailure } from './probe-plan.ts';
import { type Attendance, Waiting } from './waiting.ts';
import type { WatchOptions } from './watch-options.ts';

/** Lists older than this are read again, so that a model pulled elsewhere is seen within it. */
const LISTS_MS = 5000;
const IN_USE_FOR_MS = 30_000;

/**
 * Watches one server: listens to what it tells by itself, if it does; else, and while requests wait there, probes
 * it over fresh connections and reads its lists. It never sends anything that costs the GPU time.
 */
export class Watch implements Disposable {
  readonly knowledge = emptyKnowledge();
  /** Told when the next reading of the lists is done. */
  readonly #readers: (() => void)[] = [];
  readonly #options: WatchOptions;
  readonly #waiting = new Waiting();
  readonly #over = new AbortController();
  #timer: Cancel = () => {};
  #probing = false;
  #failures = 0;
  #failure: ProbeFailure | undefined;
  #listsAt = Number.NEGATIVE_INFINITY;
  #listsWanted = true;
  /** The last probe's failure was rather our own; the next one's counts. */
  #doubtful = false;
  /** Something happened since the last probe began that the next one is to look into. */
  #suspicious = false;
  /** It has not answered since we slept, and may have gone at any time meanwhile. */
  #unproven = false;
  readonly #link: FeedLink | undefined;
  /** Ends the look under way: at an address that is not in use any more, or at disposal. */
  #endLook: Cancel = () => {};
  #endLists: Cancel = () => {};
  #usedAt = Number.NEGATIVE_INFINITY;
  /** When a probe last ended in `onGone`, on the clock; -Infinity if never. */
  goneAt = Number.NEGATIVE_INFINITY;
  /** How far the server's clock was ahead of ours when it last told, ms; what it told may have been 10 s old. */
  clockAheadMs: number | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    const { feed, url, clock, fresh, onLists } = options;
    if (!feed) return;
    this.#link = new FeedLink({
      url,
      clock,
      agent: fresh,
      connectTimeoutMs: CONNECT_MS,
      onEvent: (name, value) => this.#told(name, value),
      onLost: () => {
        // What it was busy with is no longer known.
        this.knowledge.load = undefined;
        onLists();
        this.suspect();
      },
    });
  }

  /** Probes at once and from then on until disposed. */
  start(): void {
    this.#schedule(0);
  }

  /**
   * A request waits for this server: probe it closely until it leaves. `bytes` tells how much of the answer has
   * come; more of it is as good as a passed probe. `onGone` is called when the server is found to be gone.
   */
  attend(bytes: () => number, onGone: (reason: string) => void): Attendance {
    const used = () => {
      this.#usedAt = this.#options.clock.now();
    };
    const attendance = this.#waiting.add(this.#options.url(), bytes, onGone, used);
    used();
    if (this.#waiting.size === 1 && !this.#probing) this.#schedule(FIRST_LOOK_MS);
    return attendance;
  }

  /** Look again at once, lists included: something happened that changed them, or the network did. */
  refresh(): void {
    // Bytes heard before whatever happened say nothing about now.
    this.#waiting.hears(this.#options.url());
    this.#listsWanted = true;
    if (!this.#probing) this.#schedule(0);
  }

  /** The machine has slept: refreshes, and a server that cannot be reached now is gone at once. */
  woke(): void {
    this.#unproven = true;
    this.refresh();
  }

  /** Something speaks against the server: probes at once, where it is not probed all the time. */
  suspect(): void {
    if (!this.#link) return;
    this.#lookNext();
  }

  /** Probes at once, or again if that is under way. */
  #lookNext(): void {
    this.#suspicious = true;
    // Lists asked for on a link that is dead now would keep the look waiting.
    this.#endLists();
    this.#waiting.hears(this.#options.url());
    if (!this.#probing) this.#schedule(0);
  }

  /** The address has changed: nothing has failed at the new one, and what was told came by the old one. */
  moved(): void {
    this.#failures = 0;
    this.#endLook();
    this.#link?.drop();
    this.knowledge.load = undefined;
    this.#lookNext();
  }

  /** Requests that went to an address which is not in use any more are lost. */
  lost(url: string, reason: string): void {
    this.#waiting.tellGone(reason, url);
    // Whoever looks for a server now waits for word of one.
    this.refresh();
  }

  /** Reads the lists anew; resolves when that has been tried, or at disposal. */
  relist(): Promise<void> {
    return new Promise((resolve) => {
      this.#readers.push(resolve);
      this.refresh();
    });
  }

  #schedule(ms: number): void {
    this.#timer();
    if (!this.#over.signal.aborted) this.#timer = this.#options.clock.after(ms, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    const { clock } = this.#options;
    if (this.#probing) return;
    this.#probing = true;
    this.#suspicious = false;
    const hears = this.#waiting.hears(this.#options.url()) && this.#failures === 0;
    if (!hears) await this.#look();
    const listsDue = this.#listsWanted || (!this.#fed && clock.now() - this.#listsAt >= LISTS_MS);
    if (listsDue && this.#failures === 0 && !this.#doubtful) await this.#readLists();
    this.#probing = false;
    const soon = this.#listsWanted && this.#failures === 0;
    const inUse = clock.now() - this.#usedAt < IN_USE_FOR_MS;
    const situation = {
      attended: this.#waiting.size > 0,
      hears,
      inUse,
      failures: this.#failures,
      failure: this.#failure,
      fed: this.#fed,
      home: this.#options.url() === this.#options.home,
    };
    const next = soon || this.#suspicious || this.#doubtful ? 0 : nextProbeIn(situation);
    if (next !== undefined) this.#schedule(next);
  }

  get #fed(): boolean {
    return this.#link?.live ?? false;
  }

  #told(name: string, value: unknown): void {
    const { onPassed, onAway, onLists } = this.#options;
    const before = this.knowledge.machine;
    const ollama = learnEvent(this.knowledge, name, value);
    const { machine } = this.knowledge;
    if (machine && machine !== before) this.clockAheadMs = machine.atMs - this.#options.clock.wall();
    onLists();
    if (ollama === 'away') onAway('its Ollama is away');
    else if (ollama === 'up') {
      this.#failures = 0;
      onPassed();
    }
  }

  async #look(): Promise<void> {
    const { clock, url, shownId, fresh, onPassed, stalledSince } = this.#options;
    const startedAt = clock.now();
    const at = url();
    const here = new AbortController();
    this.#endLook = () => here.abort();
    try {
      await look({ url: at, shownId }, this.knowledge, clock, fresh, here.signal);
      this.#failures = 0;
      this.#doubtful = false;
      this.#unproven = false;
      onPassed();
      this.#link?.want();
    } catch (error) {
      // Another address is in use meanwhile, and is looked at next.
      if (this.#over.signal.aborted || url() !== at) return;
      // Our own time-out: the answer may have lain here unread.
      this.#doubtful = !this.#doubtful && failureKind(error) !== 'refused' && stalledSince(startedAt);
      if (this.#doubtful) return;
      await this.#failed(failureKind(error), reasonOf(error));
      if (error instanceof OllanaError && error.code === 'OLLANA_NOT_PAIRED') this.#options.onUnpaired?.();
    }
  }

  async #failed(failure: ProbeFailure, reason: string): Promise<void> {
    const { rescue, onPassed } = this.#options;
    const count = this.#failures + 1;
    const rescued = rescue(failure, reason);
    // Where one more probe may pass there is time: another address comes into use as soon as it answers.
    const isLast = isGone(failure, count) || (this.#unproven && failure === 'unreachable');
    this.#unproven = false;
    if (isLast && (await rescued)) {
      onPassed();
      return;
    }
    if (this.#over.signal.aborted) return;
    this.#failures = count;
    this.#failure = failure;
    for (const tell of this.#readers.splice(0)) tell();
    if (isLast) this.#gone(failure, reason);
  }

  #gone(failure: ProbeFailure, reason: string): void {
    this.goneAt = this.#options.clock.now();
    this.#options.onGone(reason);
    if (!endsRequests(failure)) return;
    this.#waiting.tellGone(reason);
  }

  async #readLists(): Promise<void> {
    const { url, agent, clock } = this.#options;
    this.#listsWanted = false;
    this.#listsAt = clock.now();
    // Whoever asks meanwhile wants lists that are younger than the question.
    const asked = this.#readers.splice(0);
    const here = new AbortController();
    this.#endLists = () => here.abort();
    await readLists(url(), this.knowledge, clock, agent, here.signal);
    this.#endLists = () => {};
    if (here.signal.aborted && !this.#over.signal.aborted) {
      this.#listsWanted = true;
      this.#readers.unshift(...asked);
      return;
    }
    this.#options.onLists();
    for (const tell of asked) tell();
  }

  [Symbol.dispose](): void {
    this.#timer();
    this.#link?.[Symbol.dispose]();
    this.#over.abort();
    this.#endLook();
    this.#endLists();
    this.#waiting.clear();
    for (const tell of this.#readers.splice(0)) tell();
  }
}
