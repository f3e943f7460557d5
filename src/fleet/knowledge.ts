import { readWakeCards, type WakeCard } from '../discovery/wake.ts';
import { type PsRow, readPs, readTags, type TagRow } from '../ollama/lists.ts';
import { readLoad, type ServerLoad } from './load.ts';
import { type MachineFacts, readMachineFacts } from './machine-facts.ts';
import type { Told } from './told.ts';

/** What a watch has learned of its server. */
export interface Knowledge {
  version: string | undefined;
  tags: readonly TagRow[] | undefined;
  ps: readonly PsRow[] | undefined;
  /** When `ps` was asked for, on the clock; undefined where it was told without asking. */
  psAt: number | undefined;
  /** How many lists a stream has told so far: one asked for before the last of them is older. */
  listsTold: number;
  latencyMs: number | null;
  told: Told;
  /** What runs and waits there; undefined where it does not tell. */
  load: ServerLoad | undefined;
  /** What machine it is; undefined where it does not tell. */
  machine: MachineFacts | undefined;
  /** The network cards by which it can be woken; undefined where it does not tell. */
  wakeCards: readonly WakeCard[] | undefined;
}

/** Nothing is known yet. */
export function emptyKnowledge(): Knowledge {
  return {
    version: undefined,
    tags: undefined,
    ps: undefined,
    psAt: undefined,
    listsTold: 0,
    latencyMs: null,
    told: { allowsManage: true, freeMemoryBytes: undefined },
    load: undefined,
    machine: undefined,
    wakeCards: undefined,
  };
}

/** What the event `server` of a stream tells. */
export interface ServerEvent {
  readonly deviceId: string;
  readonly name: string;
  /** Whether the Ollama there answers. */
  readonly ollama: 'up' | 'away';
  /** Absent: not the same for all; see `toldHeaders`. */
  readonly allowsManage?: boolean;
  readonly freeMemoryBytes?: number;
  readonly version?: string;
}

/**
 * Takes an event of a server's stream into `knowledge`; `value` is unchecked, and what makes no sense is left
 * out. Returns whether Ollama is said to be up or away, or undefined when the event does not say. Never throws.
 */
export function learnEvent(knowledge: Knowledge, name: string, value: unknown): 'up' | 'away' | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const told = value as Record<string, unknown>;
  if (name === 'load') knowledge.load = readLoad(told) ?? knowledge.load;
  else if (name === 'machine') knowledge.machine = readMachineFacts(told) ?? knowledge.machine;
  else if (name === 'wake') knowledge.wakeCards = readWakeCards(told.cards);
  else if (name === 'tags' && Array.isArray(told.models)) knowledge.tags = readTags(told);
  else if (name === 'ps' && Array.isArray(told.models)) knowledge.ps = readPs(told);
  if (name === 'tags' || name === 'ps') knowledge.listsTold += 1;
  if (name !== 'server') return undefined;
  const { ollama, allowsManage, freeMemoryBytes: free } = told;
  const known = typeof free === 'number' && Number.isFinite(free) && free >= 0;
  knowledge.told = {
    allowsManage: typeof allowsManage === 'boolean' ? allowsManage : knowledge.told.allowsManage,
    freeMemoryBytes: known ? free : undefined,
  };
  knowledge.version = shortVersion(told.version) ?? knowledge.version;
  return ollama === 'up' || ollama === 'away' ? ollama : undefined;
}

/** A version as a peer tells it, cut to a length that fits a line. Pure. */
export function shortVersion(version: unknown): string | undefined {
  return typeof version === 'string' ? version.slice(0, 40) : undefined;
}
