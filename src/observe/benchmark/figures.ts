import { type Counters, readCounters } from '../../ollama/counters.ts';
import type { PromptKind } from './prompts.ts';
import type { BenchmarkRow } from './run.ts';

/** One answer that has ended well. */
export interface Sample {
  readonly kind: PromptKind;
  /** The model had to be loaded for it. */
  readonly cold: boolean;
  /** From the request to its first token, without the wait for a slot, ms. */
  readonly firstTokenMs: number;
  /** It had to wait for a slot, or others had work beside it. */
  readonly shared: boolean;
  readonly counters: Counters;
}

export type Figures = Pick<BenchmarkRow, 'firstTokenMs' | 'prefillPerS' | 'decodePerS' | 'loadMs' | 'shared'>;

/** Ollama tells some ms for a loaded model too. */
const LEAST_LOAD_MS = 50;
/** Faster than this nothing runs: a server may tell anything. */
const MOST_PER_S = 1e7;

/**
 * What samples show: medians, of the prompts that are made for it. The first token counts with the model in memory
 * only. Pure.
 */
export function figuresOf(samples: readonly Sample[]): Figures {
  const of = (kind: PromptKind) => samples.filter((one) => one.kind === kind);
  const loads = samples.flatMap(({ cold, counters: { loadMs = 0 } }) =>
    cold && loadMs >= LEAST_LOAD_MS ? [loadMs] : [],
  );
  return {
    firstTokenMs: median(of('chat').flatMap(({ cold, firstTokenMs }) => (cold ? [] : [firstTokenMs]))),
    prefillPerS: median(
      of('reading').flatMap(({ counters }) => perSecond(counters.promptTokens, counters.promptMs, 1)),
    ),
    // The first token is the end of reading the prompt.
    decodePerS: median(
      of('writing').flatMap(({ counters }) => perSecond(counters.outputTokens, counters.outputMs, 2)),
    ),
    loadMs: median(loads),
    shared: samples.some(({ shared }) => shared),
  };
}

function perSecond(tokens = 0, ms = 0, least = 1): number[] {
  const rate = (1000 * tokens) / ms;
  return tokens >= least && rate > 0 && rate <= MOST_PER_S ? [rate] : [];
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? 0, sorted[sorted.length >> 1] ?? 0];
  return (low + high) / 2;
}

/**
 * What the end of an answer in lines of JSON tells. Throws an Error that says what is wrong with one that has failed in
 * the middle, or has not come to its end. Pure.
 */
export function countersOf(tail: string, contentType: string | undefined): Counters {
  const last = tail.trimEnd().split('\n').at(-1) ?? '';
  const { done, error } = fieldsIn(last);
  if (typeof error === 'string') throw new Error(error);
  if (done !== true) throw new Error('the answer broke off before its end');
  return readCounters({ protocol: 'ollama', framing: 'ndjson', tail, contentType }) ?? {};
}

function fieldsIn(line: string): { readonly done?: unknown; readonly error?: unknown } {
  try {
    return (JSON.parse(line) as object | null) ?? {};
  } catch {
    return {}; // A line that was cut off: no end.
  }
}
