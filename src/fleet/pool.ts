import type { WakeCard } from '../discovery/wake.ts';
import type { PsRow, TagRow } from '../ollama/lists.ts';
import type { ServerLoad } from './load.ts';
import type { MachineFacts } from './machine-facts.ts';
import type { Verdict } from './verdict-rules.ts';

/** `local` is this machine's own Ollama, which a client uses only when nothing else can. */
export type ServerKind = 'ollana' | 'ollama' | 'local';

/** What is known of one server at one moment. */
export interface ServerFacts {
  readonly deviceId: string;
  readonly name: string;
  /** Base URL in use, without a trailing slash. */
  readonly url: string;
  /** By which it knows us, if it asks that: see `shownIds`. */
  readonly shownId?: string;
  readonly kind: ServerKind;
  readonly sources: readonly string[];
  readonly verdict: Verdict;
  /** It has failed again and again, and is left alone for a while unless there is nobody else; absent: no. */
  readonly resting?: boolean;
  /** How late it wants to be used: see `Sighting`; absent: 0. */
  readonly tier?: number;
  readonly version: string | undefined;
  /** Undefined until a list has been read; then the last one read. */
  readonly tags: readonly TagRow[] | undefined;
  readonly ps: readonly PsRow[] | undefined;
  /** When `ps` was asked for, on the clock; undefined where it was told without asking. */
  readonly psAt?: number | undefined;
  /** Keys of `modelKey`. */
  readonly modelKeys: ReadonlySet<string>;
  readonly loadedKeys: ReadonlySet<string>;
  /** What runs and waits there, as far as it tells. */
  readonly load: ServerLoad | undefined;
  /** What machine it is, as far as it tells; absent: it does not. */
  readonly machine?: MachineFacts | undefined;
  /** The network cards by which it can be woken when it sleeps, as far as it tells; absent: it does not. */
  readonly wakeCards?: readonly WakeCard[] | undefined;
  /** How far its clock is ahead of this machine's, ms, to some seconds; absent: unknown. */
  readonly clockAheadMs?: number | undefined;
  /** Whether it lets us change what it stores, as far as it tells; a plain Ollama always does. */
  readonly allowsManage: boolean;
  /** Memory for models that is free there, bytes; undefined where it does not tell. */
  readonly freeMemoryBytes: number | undefined;
  /** Round trip of the last passed probe, ms. */
  readonly latencyMs: number | null;
}

export interface PoolServer extends ServerFacts {
  /** Requests that this process has running there. */
  readonly inFlight: number;
}

/** Immutable: what a decision sees. */
export type Pool = readonly PoolServer[];
