import type { Cost } from '../fleet/cost-rules.ts';
import type { AssumedCost } from './finish.ts';

/** A disk and a bus that bring a model into memory at this speed are ordinary. */
const LOAD_BYTES_PER_MS = 1e6;
/** All of a model is read for each token that is written: 330 GB/s is an ordinary GPU's memory (200 to 1000). */
const DECODE_BYTES_PER_MS = 3.3e8;
/** Many tokens are read at once: an 8B model of 4.9 GB reads some 1400 a second on such a GPU. */
const PREFILL_BYTES_PER_MS = 7e9;
/** Where nothing at all is known: an ordinary model on an ordinary GPU. */
export const UNKNOWN_COST: AssumedCost = {
  decodeMsPerToken: 20,
  prefillMsPerToken: 1,
  loadMs: 3000,
  outputTokens: 200,
};

/**
 * What a model costs at a server, as far as learned there, else as elsewhere, else by its size (bytes). A server
 * where it was never seen counts as good as the others, so that it gets tried. Pure.
 */
export function assumedCost(
  here: Partial<Cost> | undefined,
  elsewhere: Partial<Cost> | undefined,
  sizeBytes: number | undefined,
): AssumedCost {
  const bySize = sizeBytes === undefined ? UNKNOWN_COST : costBySize(sizeBytes);
  return {
    decodeMsPerToken: here?.decodeMsPerToken ?? elsewhere?.decodeMsPerToken ?? bySize.decodeMsPerToken,
    prefillMsPerToken: here?.prefillMsPerToken ?? elsewhere?.prefillMsPerToken ?? bySize.prefillMsPerToken,
    loadMs: here?.loadMs ?? elsewhere?.loadMs ?? bySize.loadMs,
    outputTokens: here?.outputTokens ?? elsewhere?.outputTokens ?? bySize.outputTokens,
  };
}

function costBySize(bytes: number): AssumedCost {
  return {
    decodeMsPerToken: bytes / DECODE_BYTES_PER_MS,
    prefillMsPerToken: bytes / PREFILL_BYTES_PER_MS,
    loadMs: bytes / LOAD_BYTES_PER_MS,
    outputTokens: UNKNOWN_COST.outputTokens,
  };
}
