import type { Fleet } from '../fleet/fleet.ts';
import type { Pool, PoolServer } from '../fleet/pool.ts';
import type { FailureCause } from '../fleet/verdict-rules.ts';
import type { Attendance } from '../fleet/watch.ts';
import { isHeld, rank } from './policy.ts';

/** How an attempt ended, as far as anyone is to be believed or blamed for it. */
export type Outcome =
  /** The whole answer, terminal marker included, went through. */
  | { readonly type: 'completed' }
  /** The client left, or the answer is an error of the client's own making: nobody is blamed. */
  | { readonly type: 'nobody' }
  | {
      readonly type: 'failed';
      readonly cause: FailureCause;
      readonly reason: string;
      /** The probe ended the attempt, and has judged the server. */
      readonly judged?: boolean;
    };

/** A leased choice: the server counts as busy with it until it is released. */
export interface Pick {
  readonly server: PoolServer;
  readonly reason: string;
  /** Ends the lease; only the first call counts. */
  release(outcome: Outcome): void;
}

/** Chooses servers for requests and owns the count of what runs where. */
export class Router {
  readonly #fleet: Fleet;
  readonly #inFlight = new Map<string, number>();
  #turn = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** The fleet as a decision sees it now. */
  pool(): Pool {
    return this.#fleet
      .servers()
      .map((facts) => ({ ...facts, inFlight: this.#inFlight.get(facts.deviceId) ?? 0 }));
  }

  /** Leases the best server that has not been tried, or returns undefined when none is left. */
  pick(modelKey: string | undefined, tried: ReadonlySet<string>): Pick | undefined {
    this.#turn += 1;
    const [best] = rank(this.pool(), { modelKey, tried, turn: this.#turn });
    if (!best) return undefined;
    if (best.server.verdict.state === 'second-chance') this.#startNewRound();
    return this.#lease(best.server, best.reason);
  }

  /** Leases the first of these servers that is still known and has not been tried, or returns undefined. */
  pickFrom(deviceIds: readonly string[], tried: ReadonlySet<string>, reason: string): Pick | undefined {
    const pool = this.pool();
    const next = deviceIds.find((id) => !tried.has(id) && pool.some((server) => server.deviceId === id));
    const server = pool.find(({ deviceId }) => deviceId === next);
    return server && this.#lease(server, reason);
  }

  #lease(server: PoolServer, reason: string): Pick {
    const { deviceId } = server;
    this.#inFlight.set(deviceId, (this.#inFlight.get(deviceId) ?? 0) + 1);
    let open = true;
    const release = (outcome: Outcome) => {
      if (!open) return;
      open = false;
      const left = (this.#inFlight.get(deviceId) ?? 1) - 1;
      if (left > 0) this.#inFlight.set(deviceId, left);
      else this.#inFlight.delete(deviceId);
      this.judge(deviceId, outcome);
    };
    return { server, reason, release };
  }

  /** Passes on what an outcome says about a server. */
  judge(deviceId: string, outcome: Outcome): void {
    if (outcome.type === 'completed') this.#fleet.judge(deviceId, { type: 'completed' });
    if (outcome.type === 'failed' && !outcome.judged) {
      this.#fleet.judge(deviceId, { type: 'attempt-failed', cause: outcome.cause, reason: outcome.reason });
    }
  }

  /** Whether any server is known to hold the model. */
  isHeld(modelKey: string): boolean {
    return isHeld(this.pool(), modelKey);
  }

  /** Requests running on all servers. */
  inFlight(): number {
    let sum = 0;
    for (const count of this.#inFlight.values()) sum += count;
    return sum;
  }

  /** See `Fleet.attend`. */
  attend(deviceId: string, onGone: (reason: string) => void): Attendance {
    return this.#fleet.attend(deviceId, onGone);
  }

  /** See `Fleet.relist`. */
  relist(limitMs: number): Promise<void> {
    return this.#fleet.relist(limitMs);
  }

  /** Reads the lists of a server again: they turned out to be wrong. */
  refresh(deviceId: string): void {
    this.#fleet.refresh(deviceId);
  }

  /** Resolves at the next change of the fleet, or when `signal` aborts. */
  nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#fleet.onChange(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** Only servers that have used up their second chance are left: each may be tried again in turn. */
  #startNewRound(): void {
    for (const { deviceId } of this.#fleet.servers()) this.#fleet.judge(deviceId, { type: 'turns-over' });
  }
}
