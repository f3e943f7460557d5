import type { Pick } from '../routing/pick.ts';
import type { AttemptEnd, Gate } from './attempt.ts';

/** A server that has had its try, and what came of it. */
export interface Tried {
  readonly pick: Pick;
  readonly end: AttemptEnd;
}

/**
 * Runs a request at several servers at once. The first that claims the client wins, and all others are stopped in
 * the same moment; those that fail before leave the field to the rest. `run` gives the seat of its pick back. The
 * client's leaving stops all of them by itself: every connection listens for it. Resolves when all have ended, with
 * the winner last, if there is one; rejects only as `run` does.
 */
export async function race(
  picks: readonly Pick[],
  run: (pick: Pick, gate: Gate) => Promise<AttemptEnd>,
): Promise<readonly Tried[]> {
  const stops = new Map<Pick, () => void>();
  let winner: Pick | undefined;
  const gateOf = (pick: Pick): Gate => ({
    claim: () => {
      if (winner) return false;
      winner = pick;
      for (const [other, stop] of stops) if (other !== pick) stop();
      return true;
    },
    onLost: (stop) => void stops.set(pick, stop),
    lost: () => winner !== undefined && winner !== pick,
  });
  const tried = await Promise.all(picks.map(async (pick) => ({ pick, end: await run(pick, gateOf(pick)) })));
  return tried.toSorted((a, b) => Number(a.pick === winner) - Number(b.pick === winner));
}
