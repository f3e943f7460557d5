/** What the next probe of a server depends on. */
export interface ProbeSituation {
  /** Requests of ours are waiting for this server. */
  readonly attended: boolean;
  /** Bytes of an answer have come since the last look, which was spared. */
  readonly hears: boolean;
  /** A request ran there within the last half minute. */
  readonly inUse: boolean;
  /** Probes that failed one after the other. */
  readonly failures: number;
  /** How the last of them failed. */
  readonly failure: ProbeFailure | undefined;
  /** The server tells by itself what changes there, and has just been heard. */
  readonly fed: boolean;
  /** It is the Ollama that this machine serves to others, who wait to hear of it from us. */
  readonly home: boolean;
}

/**
 * A waiting request is watched closely: with a connection limit of 1 s and two failed connections needed,
 * a dead link is noticed 2.5 s after the request was sent.
 */
const ATTENDED_MS = 1000;
/** The first look beside a new request; most answers have begun by then and nothing is spent. */
export const FIRST_LOOK_MS = 500;
const IN_USE_MS = 2000;
const IDLE_MS = 5000;
/**
 * A server that is away is looked for often at first, so that it is used again within a second or two. This machine's
 * own Ollama always is: a refusal there costs next to nothing, and all others wait for that one look.
 */
export const AWAY_MIN_MS = 500;
const AWAY_MAX_MS = 3000;

/** Milliseconds until the next probe; undefined: none is needed until something happens. Pure. */
export function nextProbeIn(situation: ProbeSituation): number | undefined {
  const { attended, hears, inUse, failures, failure, fed, home } = situation;
  // A refusal comes at once and would come as often as it is asked for; the others took their time.
  if (failures > 0 && attended) return failure === 'refused' ? AWAY_MIN_MS : 0;
  // One lost connection is no verdict yet; it took its time, too.
  if (failures === 1 && failure === 'unreachable') return 0;
  if (failures > 0) return home ? AWAY_MIN_MS : Math.min(AWAY_MIN_MS * failures, AWAY_MAX_MS);
  // Counting bytes costs nothing; a stream that stops is looked at as soon as a request that begins.
  if (attended) return hears ? FIRST_LOOK_MS : ATTENDED_MS;
  // A stream that ends or falls silent says so; beats are too far apart for a request that waits.
  if (fed) return undefined;
  return inUse ? IN_USE_MS : IDLE_MS;
}

/** How a probe ended: somebody said no, no connection came about, or a connection brought no answer. */
export type ProbeFailure = 'refused' | 'unreachable' | 'silent';

/**
 * Whether `count` failures in a row, the last of this kind, mean that the server is gone. A refusal is an
 * answer; a lost connection packet happens on Wi-Fi once; a machine at full load may be slow to answer though
 * it is working on our request, and giving that up would abort a model load.
 */
export function isGone(kind: ProbeFailure, count: number): boolean {
  const needed = { refused: 1, unreachable: 2, silent: 3 }[kind];
  return count >= needed;
}

/**
 * Whether requests that are under way at a server found gone are lost. One that refuses others may be finishing
 * ours, as an ollana does that shuts down; had it died, our connection would have been reset. Pure.
 */
export function endsRequests(kind: ProbeFailure): boolean {
  return kind !== 'refused';
}
