/**
 * Learns how many requests of one model an Ollama runs at once, where its environment cannot be read: requests that
 * stream at the same time prove it. What is too much waits in Ollama instead of here, so an experiment costs one
 * request its choice of another server, at worst. Pure; times are of one monotonic clock, in milliseconds.
 */
import { MOST_PARALLEL } from './ollama-limits.ts';

/** What is known about one model at one Ollama. Immutable; after a restart of Ollama it is `NOTHING_LEARNED` again. */
export interface ParallelLearning {
  /** So many have run at once: the lower bound, at least 1. */
  readonly proven: number;
  /** The fewest with which one waited for another to end: the upper bound, not itself possible. Infinity: not seen. */
  readonly refuted: number;
  /** How many an open experiment lets run at once; undefined when none is open. */
  readonly trying: number | undefined;
  /** No experiment begins before. */
  readonly nextAt: number;
  /** Failures since the last success: each doubles the time until the next experiment. */
  readonly failures: number;
  /** Whether the last experiment succeeded: the next one then tries twice as many, not one more. */
  readonly bold: boolean;
  /** By request id. */
  readonly running: ReadonlyMap<string, Running>;
}

interface Running {
  /** How many there were when it was sent, itself among them. */
  readonly rank: number;
  /** Those that were there before it. */
  readonly beside: ReadonlySet<string>;
  /** Whether one of those ended before it had a token. */
  readonly waited: boolean;
  readonly firstTokenAt: number | undefined;
  /** Its client reads slower than Ollama writes: what we see of it comes late, and proves nothing. */
  readonly stalled: boolean;
}

/**
 * What happens to the requests of the model: `sent` to Ollama, its first token seen, `stalled` when we stop reading
 * because the client does not keep up, `ended` in whatever way.
 */
export type ParallelEvent =
  | { readonly type: 'experiment'; readonly at: number }
  | {
      readonly type: 'sent' | 'first-token' | 'stalled' | 'ended';
      readonly id: string;
      readonly at: number;
    };

export const NOTHING_LEARNED: ParallelLearning = Object.freeze({
  proven: 1,
  refuted: Number.POSITIVE_INFINITY,
  trying: undefined,
  nextAt: Number.NEGATIVE_INFINITY,
  failures: 0,
  bold: false,
  running: new Map<string, Running>(),
});

/** At most one experiment in this time: a busy server stays about as fair as one whose setting is known. */
const EXPERIMENT_EVERY_MS = 600_000;
/** After six failures still one in 10 h 40 min: the model may have been loaded anew with other settings. */
const MOST_DOUBLINGS = 6;
/**
 * Streams overlap only when all have been open this long: after a pause of our own, the end of one and the beginning
 * of the next are seen at the same moment, perhaps in the wrong order.
 */
const OVERLAP_MS = 100;
/** Requests beyond are not looked at: there are never so many unless somebody sends them past our queue. */
const MOST_RUNNING = 2 * MOST_PARALLEL;

/** How many requests may be with Ollama at once now. */
export function slotsLearned({ proven, trying }: ParallelLearning): number {
  return trying ?? proven;
}

/**
 * Whether an experiment may begin while `queued` requests wait for a slot: only when one does, all that is proven
 * is in use, and one of those streams, so that it is no load that they wait for. Tell `observed` of the
 * `experiment` then; `slotsLearned` has grown after it.
 */
export function mayExperiment(state: ParallelLearning, now: number, queued: number): boolean {
  const running = [...state.running.values()];
  return (
    queued > 0 &&
    state.trying === undefined &&
    now >= state.nextAt &&
    running.length === state.proven &&
    running.some(({ firstTokenAt, stalled }) => firstTokenAt !== undefined && !stalled) &&
    targetOf(state) > state.proven
  );
}

/** The state after an event. Events of a request that is not known to have been sent change nothing. */
export function observed(state: ParallelLearning, event: ParallelEvent): ParallelLearning {
  if (event.type === 'experiment')
    return { ...state, trying: targetOf(state), nextAt: event.at + EXPERIMENT_EVERY_MS };
  if (event.type === 'sent') return sent(state, event.id);
  const one = state.running.get(event.id);
  if (!one) return state;
  const proved = prove(state, event.at);
  if (event.type === 'stalled') return withRunning(proved, event.id, { ...one, stalled: true });
  return event.type === 'ended' ? ended(proved, event.id, one) : firstToken(proved, event.id, one, event.at);
}

/** One more, or after a success twice as many, but never what has been refuted unless nothing lies below. */
function targetOf({ proven, refuted, bold }: ParallelLearning): number {
  const target = bold ? 2 * proven : proven + 1;
  return Math.min(target < refuted ? target : proven + 1, MOST_PARALLEL);
}

function sent(state: ParallelLearning, id: string): ParallelLearning {
  const { running } = state;
  if (running.size >= MOST_RUNNING || running.has(id)) return state;
  return withRunning(state, id, {
    rank: running.size + 1,
    beside: new Set(running.keys()),
    waited: false,
    firstTokenAt: undefined,
    stalled: false,
  });
}

function firstToken(state: ParallelLearning, id: string, one: Running, at: number): ParallelLearning {
  if (one.firstTokenAt !== undefined) return state;
  const next = withRunning(state, id, { ...one, firstTokenAt: at });
  if (!one.waited || one.rank <= state.proven) return next;
  const failures = state.failures + 1;
  const waitMs = EXPERIMENT_EVERY_MS * 2 ** Math.min(failures, MOST_DOUBLINGS);
  return {
    ...next,
    refuted: Math.min(state.refuted, one.rank),
    // Seen without an experiment too, where somebody sends requests past our queue: those say nothing of ours.
    ...(state.trying === undefined
      ? {}
      : { trying: undefined, bold: false, failures, nextAt: Math.max(state.nextAt, at + waitMs) }),
  };
}

function ended(state: ParallelLearning, id: string, one: Running): ParallelLearning {
  const running = new Map(state.running);
  running.delete(id);
  // One that never ran held nobody up; when a stalled one ended, its last byte to us does not tell.
  if (one.firstTokenAt !== undefined && !one.stalled)
    for (const [other, its] of running)
      if (its.firstTokenAt === undefined && its.beside.has(id)) running.set(other, { ...its, waited: true });
  // An experiment that nobody came to is over as well.
  return { ...state, running, trying: running.size === 0 ? undefined : state.trying };
}

/** Counts the streams that overlap at `at`. */
function prove(state: ParallelLearning, at: number): ParallelLearning {
  const together = [...state.running.values()].filter(
    ({ firstTokenAt, stalled }) => firstTokenAt !== undefined && !stalled && at - firstTokenAt >= OVERLAP_MS,
  ).length;
  const proven = Math.min(together, MOST_PARALLEL);
  if (proven <= state.proven) return state;
  const succeeded = state.trying !== undefined && proven >= state.trying;
  return {
    ...state,
    proven,
    refuted: state.refuted > proven ? state.refuted : Number.POSITIVE_INFINITY,
    ...(succeeded ? { trying: undefined, bold: true, failures: 0 } : {}),
  };
}

function withRunning(state: ParallelLearning, id: string, one: Running): ParallelLearning {
  return { ...state, running: new Map(state.running).set(id, one) };
}
