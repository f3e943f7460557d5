import type { Cost } from '../fleet/cost-rules.ts';
import type { AssumedCost } from './finish.ts';

/** A disk and a bus that bring a model into memory at this speed are ordinary. */
const LOAD_BYTES_PER_MS = 1e6;
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
  const bySize = sizeBytes === undefined ? UNKNOWN_COST.loadMs : sizeBytes / LOAD_BYTES_PER_MS;
  return {
    decodeMsPerToken: here?.decodeMsPerToken ?? elsewhere?.decodeMsPerToken ?? UNKNOWN_COST.decodeMsPerToken,
    prefillMsPerToken:
      here?.prefillMsPerToken ?? elsewhere?.prefillMsPerToken ?? UNKNOWN_COST.prefillMsPerToken,
    loadMs: here?.loadMs ?? elsewhere?.loadMs ?? bySize,
    outputTokens: here?.outputTokens ?? elsewhere?.outputTokens ?? UNKNOWN_COST.outputTokens,
  };
}
