import { type Clock, sleep } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import type { PathAgent } from '../security/path-agent.ts';
import type { KnownAddress, Place } from './addresses.ts';
import { identify } from './identify.ts';
import { emptyKnowledge } from './knowledge.ts';
import { ANSWER_MS, CONNECT_MS, failureKind, look } from './probe.ts';
import { endsRequests, type ProbeFailure } from './probe-plan.ts';
import type { ShownTo } from './rust-server.ts';

export interface PathOptions extends ShownTo {
  readonly place: Place;
  /** Who is to answer there. */
  readonly deviceId: string;
  readonly clock: Clock;
  /** Makes each connection anew. */
  readonly fresh: PathAgent;
  /** See `SelfDoubt.stalledSince`. */
  readonly stalledSince: (ms: number) => boolean;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
  /** A look has failed. */
  readonly onFailed: () => void;
  /** Another device answers there. */
  readonly onStranger: () => void;
}

/** Looks of which the fastest counts: the others waited for something else than the way. */
const SAMPLES = 3;
/** The part of a new measurement in the smoothed one. */
const SMOOTHING = 0.3;
/** An address that has failed counts less than the others for so long, ms. */
const FAILED_FOR_MS = 60_000;
/** A failure this long ago, ms, is of now; asking again takes a second. */
const JUST_MS = 250;
/** Failures in a row that mean that what is under way there is lost; the first may be a lost packet. */
const DEAD_AFTER = 2;
/** The second of them is not waited for longer, ms, where the server answers elsewhere: it is not that it is busy. */
const DOUBT_MS = 2000;

/** One way to a server: an address, whether it answers there, and how fast. */
export class Path {
  readonly #options: PathOptions;
  #rttMs: number | undefined;
  #lastMs = 0;
  #failures = 0;
  #failure: ProbeFailure | undefined;
  #reason = '';
  #failedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<boolean> | undefined;

  constructor(options: PathOptions) {
    this.#options = options;
  }

  known(): KnownAddress {
    const { url, place, clock } = this.#options;
    return { url, place, rttMs: this.#rttMs, failed: clock.now() - this.#failedAt < FAILED_FOR_MS };
  }

  /** It did not answer a moment ago, so that it would not now. */
  get justFailed(): boolean {
    return this.#options.clock.now() - this.#failedAt < JUST_MS;
  }

  /** Why what is under way there is lost; undefined while it is not. */
  get deadFor(): string | undefined {
    const isDead = this.#failures >= DEAD_AFTER && this.#failure !== undefined && endsRequests(this.#failure);
    return isDead ? this.#reason : undefined;
  }

  /** It did not answer. */
  failed(failure: ProbeFailure, reason: string): void {
    this.#failures += 1;
    this.#failure = failure;
    this.#reason = reason;
    this.#failedAt = this.#options.clock.now();
    // What it takes when it is back is not known.
    this.#rttMs = undefined;
    this.#options.onFailed();
  }

  /** Whether the server answers there, and is the one it should be; who asks meanwhile shares the answer. */
  look(): Promise<boolean> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Asks once more, with less patience, whether what is under way there is lost. Never rejects. */
  async doubt(): Promise<void> {
    const { clock, signal, stalledSince, onFailed } = this.#options;
    const startedAt = clock.now();
    const over = new AbortController();
    const late = sleep(clock, DOUBT_MS, over.signal).then(() => false);
    const answers = await Promise.race([this.look(), late]);
    over.abort();
    if (answers || signal.aborted || stalledSince(startedAt)) return;
    this.#failures = Math.max(this.#failures, DEAD_AFTER);
    onFailed();
  }

  /** Measures the round trip. */
  async measure(): Promise<void> {
    let fastest = Number.POSITIVE_INFINITY;
    const before = this.#rttMs;
    for (let i = 0; i < SAMPLES; i += 1) {
      // Asked once more: requests may still run here, and are lost where it does not answer again.
      if (!(await this.look()) && !(await this.look())) return;
      fastest = Math.min(fastest, this.#lastMs);
    }
    this.#rttMs = before === undefined ? fastest : before + (fastest - before) * SMOOTHING;
  }

  async #look(): Promise<boolean> {
    const { url, shownId, deviceId, clock, fresh, signal, stalledSince, onStranger } = this.#options;
    const startedAt = clock.now();
    try {
      const seen = emptyKnowledge();
      const proven = await look({ url, shownId }, seen, clock, fresh, signal);
      const limits = { connectTimeoutMs: CONNECT_MS, timeoutMs: ANSWER_MS };
      const found = proven ?? (await identify(url, { clock, agent: fresh, signal, ...limits })).deviceId;
      if (signal.aborted) return false;
      if (found !== deviceId) {
        onStranger();
        return false;
      }
      this.#failures = 0;
      this.#lastMs = seen.latencyMs ?? 0;
      this.#rttMs ??= this.#lastMs;
      return true;
    } catch (error) {
      // Our own standing still says nothing of the way.
      if (!signal.aborted && !stalledSince(startedAt)) this.failed(failureKind(error), reasonOf(error));
      return false;
    }
  }
}
