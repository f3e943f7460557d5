import { type Cost, type CostSeen, confidenceOf } from './cost-rules.ts';

/** Beyond it no count or time of ours gets. */
const MAX_NUMBER = 1e8;

/** A cost as it was written into JSON; undefined when it is none. Never throws. Pure. */
export function readCost(value: unknown): Cost | undefined {
  if (!isRecord(value) || !isRecord(value.seen)) return undefined;
  const { samples } = value;
  if (!isCount(samples) || samples < 1) return undefined;
  const seen = readSeen(value.seen);
  return {
    decodeMsPerToken: positive(value.decodeMsPerToken),
    prefillMsPerToken: positive(value.prefillMsPerToken),
    loadMs: positive(value.loadMs),
    outputTokens: positive(value.outputTokens),
    samples,
    confidence: confidenceOf(samples),
    seen,
  };
}

function readSeen(value: Record<string, unknown>): CostSeen {
  const count = (name: keyof CostSeen) => {
    const seen = value[name];
    return isCount(seen) ? seen : 0;
  };
  return { decode: count('decode'), prefill: count('prefill'), load: count('load'), output: count('output') };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_NUMBER;
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 && value <= MAX_NUMBER ? value : undefined;
}
