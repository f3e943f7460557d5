import type { UnansweredAddress } from '../../fleet/fleet.ts';
import type { PoolServer } from '../../fleet/pool.ts';
import type { Finding } from './finding.ts';
import type { ServerPast } from './history.ts';
import type { NetworkTrouble } from './network-trouble.ts';
import type { Figures } from './request-figures.ts';

/** A server as the checks see it: `load` and `machine` also where they are known to this process alone. */
export interface HealthServer extends PoolServer {
  /** It is the Ollama of this machine. */
  readonly isOwn: boolean;
}

/** All that the checks look at: one moment, and what has been counted until then. */
export interface HealthSnapshot {
  /** Ms since 1970. */
  readonly wallMs: number;
  /** On the clock, ms. */
  readonly nowMs: number;
  readonly mode: 'client' | 'server';
  /** Where this machine's Ollama is, which a server stands before; undefined in client mode. */
  readonly ownUrl: string | undefined;
  readonly pairing: 'open' | 'required';
  /** Whether servers are looked for by broadcast. */
  readonly usesBroadcast: boolean;
  /** See `--protect-context`. */
  readonly protectsContext: boolean;
  readonly servers: readonly HealthServer[];
  readonly unanswered: readonly UnansweredAddress[];
  /** Requests that ended in the last quarter of an hour. */
  readonly quarter: Figures;
  /** And in the last hour. */
  readonly hour: Figures;
  /** By device id. */
  readonly past: ReadonlyMap<string, ServerPast>;
  readonly network: NetworkTrouble;
}

/** One thing that can be wrong. */
export interface Check {
  /** Stable: scripts and alerts name it. */
  readonly id: string;
  /** Found for this long without a break before it is told, ms: what passes by itself is no problem. */
  readonly appearMs: number;
  /** Not found for this long before it counts as mended, ms. */
  readonly clearMs: number;
  /**
   * What is wrong now. `held` tells whether a subject has been found before and is not mended: a threshold is lower
   * then, so that what lies near it does not come and go. Pure.
   */
  readonly find: (snapshot: HealthSnapshot, held: (subject: string) => boolean) => readonly Finding[];
}

const SECOND = 1000;
const MINUTE = 60_000;

/** Of what is read from one moment's facts. */
export const FACT_TIMES = { appearMs: 5 * SECOND, clearMs: 10 * SECOND } as const;
/** Of what is counted over a window, which holds by itself what it has counted. */
export const COUNT_TIMES = { appearMs: 0, clearMs: MINUTE } as const;
/** Of what is like this for a while whenever something starts. */
export const SLOW_TIMES = { appearMs: MINUTE, clearMs: MINUTE } as const;
