import type { Clock } from '../clock.ts';
import type { PathAgent } from '../security/path-agent.ts';
import type { ProbeFailure } from './probe-plan.ts';

/** What watching a server takes, and what it tells. */
export interface WatchOptions {
  /** The address to probe now; it can change between probes. */
  readonly url: () => string;
  /** See `FleetOptions.home`. */
  readonly home?: string | undefined;
  /** See `ServerFacts.shownId`. */
  readonly shownId?: string | undefined;
  readonly clock: Clock;
  /** Keeps connections. */
  readonly agent: PathAgent;
  /** Makes each connection anew, which tests the path. */
  readonly fresh: PathAgent;
  /** Whether this process stood still at some moment since then, on the clock. */
  readonly stalledSince: (ms: number) => boolean;
  readonly onPassed: () => void;
  /**
   * The address has failed a probe. Resolves with whether the server is reached by another one now, after a call of
   * `moved`; then it has not failed. Never rejects.
   */
  readonly rescue: (failure: ProbeFailure, reason: string) => Promise<boolean>;
  /** The server is gone: enough probes failed in a row. Called again at each further failed probe. */
  readonly onGone: (reason: string) => void;
  /** What is known has changed. */
  readonly onLists: () => void;
  /** Whether the server offers to tell by itself what changes there. */
  readonly feed: boolean;
  /** It says that its Ollama is away; it says when it is back, which is as good as a passed probe. */
  readonly onAway: (reason: string) => void;
  /** It is not, or not any more, paired with this device. */
  readonly onUnpaired?: () => void;
}
