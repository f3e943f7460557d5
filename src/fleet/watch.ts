import type { Agent } from 'node:http';
import type { Cancel, Clock } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { fetchJson, fetchSmall } from '../ollama/client.ts';
import { type PsRow, readPs, readTags, type TagRow } from '../ollama/lists.ts';
import { endsRequests, FIRST_LOOK_MS, isGone, nextProbeIn, type ProbeFailure } from './probe-plan.ts';
import { readTold, type Told } from './told.ts';

/** A request's stay at a server. */
export interface Attendance {
  /** Bytes came from the server: as good as a passed probe for now. Called for every chunk. */
  heard(): void;
  leave(): void;
}

/** What a watch has learned of its server. */
export interface Knowledge {
  version: string | undefined;
  tags: readonly TagRow[] | undefined;
  ps: readonly PsRow[] | undefined;
  latencyMs: number | null;
  told: Told;
}

export interface WatchOptions {
  /** The address to probe now; it can change between probes. */
  readonly url: () => string;
  readonly clock: Clock;
  readonly agent: Agent;
  readonly onPassed: () => void;
  /** The server is gone: enough probes failed in a row. Called again at each further failed probe. */
  readonly onGone: (reason: string) => void;
  readonly onLists: () => void;
}

/** Limits of a probe, ms; see probe-plan.ts for what follows from them. */
const CONNECT_MS = 1000;
const ANSWER_MS = 5000;
/** Lists older than this are read again, so that a model pulled elsewhere is seen within it. */
const LISTS_MS = 5000;
const IN_USE_FOR_MS = 30_000;

/**
 * Watches one server: probes it over fresh connections beside whatever requests run there, and reads its
 * lists. It never sends anything that costs the GPU time.
 */
export class Watch implements Disposable {
  readonly knowledge: Knowledge = {
    version: undefined,
    tags: undefined,
    ps: undefined,
    latencyMs: null,
    told: { allowsManage: true, freeMemoryBytes: undefined },
  };
  /** Told when the next reading of the lists is done. */
  readonly #readers: (() => void)[] = [];
  readonly #options: WatchOptions;
  readonly #waiting = new Set<(reason: string) => void>();
  readonly #over = new AbortController();
  #timer: Cancel = () => {};
  #probing = false;
  #failures = 0;
  #failure: ProbeFailure | undefined;
  #listsAt = Number.NEGATIVE_INFINITY;
  #listsWanted = true;
  #usedAt = Number.NEGATIVE_INFINITY;
  #heardAt = Number.NEGATIVE_INFINITY;
  /** When a probe last ended in `onGone`, on the clock; -Infinity if never. */
  goneAt = Number.NEGATIVE_INFINITY;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Probes at once and from then on until disposed. */
  start(): void {
    this.#schedule(0);
  }

  /**
   * A request waits for this server: probe it closely until it leaves. `onGone` is called when the server is
   * found to be gone meanwhile.
   */
  attend(onGone: (reason: string) => void): Attendance {
    const entry = (reason: string) => onGone(reason);
    this.#waiting.add(entry);
    this.#usedAt = this.#options.clock.now();
    if (this.#waiting.size === 1 && !this.#probing) this.#schedule(FIRST_LOOK_MS);
    const { clock } = this.#options;
    return {
      heard: () => {
        this.#heardAt = clock.now();
      },
      leave: () => {
        this.#waiting.delete(entry);
        this.#usedAt = clock.now();
      },
    };
  }

  /** Look again at once, lists included: something happened that changed them, or the network did. */
  refresh(): void {
    // Bytes heard before whatever happened say nothing about now.
    this.#heardAt = Number.NEGATIVE_INFINITY;
    this.#listsWanted = true;
    if (!this.#probing) this.#schedule(0);
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
    const justHeard = this.#failures === 0 && clock.now() - this.#heardAt < FIRST_LOOK_MS;
    if (!justHeard) await this.#look();
    const listsDue = this.#listsWanted || clock.now() - this.#listsAt >= LISTS_MS;
    if (listsDue && this.#failures === 0) await this.#readLists();
    this.#probing = false;
    const soon = this.#listsWanted && this.#failures === 0;
    const inUse = clock.now() - this.#usedAt < IN_USE_FOR_MS;
    const situation = {
      attended: this.#waiting.size > 0,
      inUse,
      failures: this.#failures,
      failure: this.#failure,
    };
    this.#schedule(soon ? 0 : nextProbeIn(situation));
  }

  async #look(): Promise<void> {
    const { clock, url, onPassed } = this.#options;
    const startedAt = clock.now();
    try {
      const answer = await fetchSmall(`${url()}/api/version`, {
        clock,
        connectTimeoutMs: CONNECT_MS,
        timeoutMs: ANSWER_MS,
        signal: this.#over.signal,
      });
      if (answer.status !== 200) {
        throw new OllanaError('OLLANA_UPSTREAM_FAILED', `it answers ${answer.status} to GET /api/version`);
      }
      this.#failures = 0;
      this.knowledge.latencyMs = clock.now() - startedAt;
      this.knowledge.told = readTold(answer.headers);
      this.knowledge.version = versionIn(answer.body) ?? this.knowledge.version;
      onPassed();
    } catch (error) {
      if (this.#over.signal.aborted) return;
      this.#failures += 1;
      this.#failure = failureKind(error);
      for (const tell of this.#readers.splice(0)) tell();
      if (isGone(this.#failure, this.#failures)) this.#gone(this.#failure, reasonOf(error));
    }
  }

  #gone(failure: ProbeFailure, reason: string): void {
    this.goneAt = this.#options.clock.now();
    this.#options.onGone(reason);
    if (!endsRequests(failure)) return;
    for (const tell of [...this.#waiting]) tell(reason);
  }

  async #readLists(): Promise<void> {
    const { url, agent, clock } = this.#options;
    const options = {
      clock,
      connectTimeoutMs: CONNECT_MS,
      timeoutMs: ANSWER_MS,
      agent,
      signal: this.#over.signal,
    };
    this.#listsWanted = false;
    this.#listsAt = clock.now();
    // Whoever asks meanwhile wants lists that are younger than the question.
    const asked = this.#readers.splice(0);
    const [tags, ps] = await Promise.allSettled([
      fetchJson(`${url()}/api/tags`, options),
      fetchJson(`${url()}/api/ps`, options),
    ]);
    // A list that cannot be read keeps its last known rows; whether the server lives is the probe's to say.
    if (tags.status === 'fulfilled') this.knowledge.tags = readTags(tags.value);
    if (ps.status === 'fulfilled') this.knowledge.ps = readPs(ps.value);
    this.#options.onLists();
    for (const tell of asked) tell();
  }

  [Symbol.dispose](): void {
    this.#timer();
    this.#over.abort();
    this.#waiting.clear();
    for (const tell of this.#readers.splice(0)) tell();
  }
}

function versionIn(body: Buffer): string | undefined {
  try {
    const { version } = JSON.parse(body.toString('utf8')) as { version?: unknown };
    return typeof version === 'string' ? version.slice(0, 40) : undefined;
  } catch {
    return undefined; // Alive all the same; an answer without a version only stays unlisted.
  }
}

function failureKind(error: unknown): ProbeFailure {
  if (!(error instanceof OllanaError)) return 'refused';
  if (error.code === 'OLLANA_UPSTREAM_SILENT') return 'silent';
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  // A refusal or a reset is somebody's answer; no route, no host, or our own limit (without errno) are nobody's.
  const answered = error.code !== 'OLLANA_DIAL_FAILED' || /^ECONN(REFUSED|RESET)$/.test(cause?.code ?? '');
  return answered ? 'refused' : 'unreachable';
}
