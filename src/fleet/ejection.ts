import type { VerdictEvent } from './verdict-rules.ts';

/** How often a server that answers has failed since it last completed anything. */
export interface Ejection {
  readonly failures: number;
  /** When the last of them was counted, on the clock; -Infinity if there is none. */
  readonly countedAtMs: number;
}

export const NO_EJECTION: Ejection = { failures: 0, countedAtMs: Number.NEGATIVE_INFINITY };

/** What fails within this, ms, failed together: a process that dies takes all its streams with it. */
const TOGETHER_MS = 1000;
/** One failure and a failed second chance are what everybody may have. */
const RESTS_FROM = 2;
/** A server that is well again is not kept waiting longer, ms. */
const MAX_REST_MS = 60_000;

/**
 * The count after `event`, or the same object when nothing changed. Only a completed stream ends it: one that
 * fails every request answers probes all along. That nobody is reached is a probe's to find out, and is not
 * counted. Pure.
 */
export function nextEjection(ejection: Ejection, event: VerdictEvent, nowMs: number): Ejection {
  if (event.type === 'completed') return ejection.failures === 0 ? ejection : NO_EJECTION;
  if (event.type !== 'attempt-failed' || event.cause === 'dial') return ejection;
  if (nowMs - ejection.countedAtMs < TOGETHER_MS) return ejection;
  return { failures: ejection.failures + 1, countedAtMs: nowMs };
}

/** How long after the last of so many failures a server is left alone while there is another, ms. Pure. */
export function restMs(failures: number): number {
  return failures < RESTS_FROM ? 0 : Math.min(1000 * 2 ** failures, MAX_REST_MS);
}
