import type { Arrival } from '../../fleet/workload.ts';
import type { Outcome } from './ask.ts';

/** One way to spread the requests over a set of GPUs of its own. */
export interface Contender extends AsyncDisposable {
  readonly name: string;
  /** Nobody waits for its last requests when all others have ended: it may take minutes more. */
  readonly hopeless: boolean;
  /** Sends the request now; `turn` counts them; `cut` gives it up. Never rejects. */
  send(arrival: Arrival, turn: number, cut: AbortSignal): Promise<Outcome>;
  /** Loads begun on its GPUs so far. */
  loads(): Promise<number>;
}

/** The contenders that figures are compared with. */
export const OURS = 'ollana';
export const HINDSIGHT = 'hindsight';
export const LEAST_CONNECTIONS = 'least-connections';
