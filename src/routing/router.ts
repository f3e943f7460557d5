import type { Cancel, Clock } from '../clock.ts';
import type { Pool, PoolServer, ServerFacts } from '../fleet/pool.ts';
import type { FleetView } from '../fleet/view.ts';
import type { Attendance } from '../fleet/waiting.ts';
import { bind } from './binding.ts';
import { type ChoiceOptions, optionsFor, type Wanted } from './choice.ts';
import { considered } from './considered.ts';
import type { Seat } from './desk.ts';
import type { Entry, Outcome, Pick } from './pick.ts';
import { isHeld, mayHold, rank, reasonFor } from './policy.ts';
import { busy, queueFull } from './refusals.ts';
import { rotated } from './rotated.ts';
import type { Valued } from './valuation.ts';

export interface RouterOptions extends ChoiceOptions {
  readonly fleet: FleetView;
  readonly clock: Clock;
  /** A queue is kept here for others, too: every request goes through it. */
  readonly keepsQueue: boolean;
  /** Calls back when a queue has changed whose server does not tell of it. */
  readonly onLoad: (listener: () => void) => Cancel;
  /** Requests that run at each server, by its id: one count for all routers of a process. */
  readonly inFlight: Map<string, number>;
}

/** Changes come in crowds; a request that waits looks at them this often, ms. */
const LOOK_EVERY_MS = 10;

/** Chooses servers for requests and owns the count of what runs where. */
export class Router {
  readonly #fleet: FleetView;
  readonly #options: RouterOptions;
  readonly #inFlight: Map<string, number>;
  #turn = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#fleet = options.fleet;
    this.#inFlight = options.inFlight;
  }

  /** The fleet as a decision sees it now. */
  pool(): Pool {
    return this.#fleet.servers().map((facts) => this.#counted(facts));
  }

  #counted(facts: ServerFacts): PoolServer {
    return { ...facts, inFlight: this.#inFlight.get(facts.deviceId) ?? 0 };
  }

  /** Leases the best server that has not been tried, or returns undefined when none is left. */
  pick(modelKey: string | undefined, tried: ReadonlySet<string>): Pick | undefined {
    this.#turn += 1;
    const [best] = rank(this.pool(), { modelKey, tried, turn: this.#turn });
    if (!best) return undefined;
    if (best.server.verdict.state === 'second-chance') this.#startNewRound();
    return this.#lease(best.server, best.reason, modelKey);
  }

  /** Leases the first of these servers that is still known and has not been tried, or returns undefined. */
  pickFrom(deviceIds: readonly string[], tried: ReadonlySet<string>, reason: string): Pick | undefined {
    const next = deviceIds.find((id) => !tried.has(id) && this.#fleet.server(id));
    const facts = next === undefined ? undefined : this.#fleet.server(next);
    return facts && this.#lease(this.#counted(facts), reason);
  }

  /**
   * Waits for a seat at the server where the request will end first, of those that have not been tried. Resolves
   * with undefined when no server is left or `signal` aborts. Rejects with `OLLANA_QUEUE_FULL` when every queue is
   * full, with `OLLANA_BUSY` when `entry` has no seat.
   */
  async acquire(
    wanted: Wanted,
    tried: ReadonlySet<string>,
    signal: AbortSignal,
    entry: Entry = {},
  ): Promise<Pick | undefined> {
    const { clock } = this.#options;
    const turn = this.#turn;
    this.#turn += 1;
    const options = () => {
      const { among } = wanted;
      const mayTake = (id: string) => !tried.has(id) && (among === undefined || among.has(id));
      const all = this.#fleet.servers();
      const open = all.filter(({ deviceId }) => mayTake(deviceId));
      return optionsFor(this.#options, rotated(open, turn), wanted, clock.now(), all);
    };
    if (entry.seat) {
      const [option] = options();
      if (!option) return undefined;
      const seat = entry.seat(option.desk, option.job);
      if (!seat) throw busy();
      return this.#seated(option.deviceId, wanted, seat);
    }
    return new Promise((resolve, reject) => {
      if (signal.aborted) return resolve(undefined);
      const onAbort = () => {
        cancel();
        resolve(undefined);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const settle = (how: () => void) => {
        signal.removeEventListener('abort', onAbort);
        how();
      };
      const cancel = bind({
        clock,
        options,
        dice: this.#options.dice,
        mayTake: entry.mayTake ?? true,
        onChange: (listener) => this.#soonAfterChanges(listener),
        onSeat: (seat, { deviceId }, all) => settle(() => resolve(this.#seated(deviceId, wanted, seat, all))),
        onNone: (refusal) =>
          settle(() => (refusal === undefined ? resolve(undefined) : reject(queueFull(refusal)))),
      });
    });
  }

  /**
   * Takes the seats that are free now where the model is loaded, at most `count` and best first, of the servers that
   * have not been tried. A server that is doubted gets none.
   */
  acquireFree(wanted: Wanted, tried: ReadonlySet<string>, count: number): readonly Pick[] {
    const all = this.#fleet.servers();
    const open = all.filter(({ deviceId, verdict }) => !tried.has(deviceId) && verdict.state === 'reliable');
    const free = optionsFor(this.#options, open, wanted, this.#options.clock.now(), all)
      .filter(({ estimate }) => estimate.free)
      .sort((a, b) => a.tier - b.tier || a.estimate.finishMs - b.estimate.finishMs);
    const picks: Pick[] = [];
    for (const { deviceId, desk, job } of free) {
      if (picks.length >= count) break;
      const seat = desk.take(job);
      const pick = seat && this.#seated(deviceId, wanted, seat);
      if (pick) picks.push(pick);
    }
    return picks;
  }

  /** Leases the server that a seat was won at; undefined if it has left meanwhile. */
  #seated(deviceId: string, wanted: Wanted, seat: Seat, all?: readonly Valued[]): Pick | undefined {
    const facts = this.#fleet.server(deviceId);
    if (!facts) {
      seat.release();
      return undefined;
    }
    const server = this.#counted(facts);
    if (server.verdict.state === 'second-chance') this.#startNewRound();
    const pick = this.#lease(server, reasonFor(server, wanted.modelKey));
    seat.use();
    return {
      ...pick,
      considered: all && considered(all, deviceId, (id) => this.#fleet.server(id)?.name),
      seatHeaders: seat.headers,
      begun: () => seat.begun(),
      stalled: () => seat.stalled(),
      release: (outcome, result) => {
        seat.release(result);
        if (outcome.type === 'completed') {
          const { affinity, clock } = this.#options;
          affinity.ran(deviceId, wanted.modelKey, wanted.marks, clock.now());
        }
        pick.release(outcome);
      },
    };
  }

  /** Calls back some time after changes of the fleet, once for a crowd of them. */
  #soonAfterChanges(listener: () => void): Cancel {
    let stopTimer: Cancel | undefined;
    const onChange = () => {
      stopTimer ??= this.#options.clock.after(LOOK_EVERY_MS, () => {
        stopTimer = undefined;
        listener();
      });
    };
    const stops = [this.#fleet.onChange(onChange), this.#options.onLoad(onChange)];
    return () => {
      for (const stop of stops) stop();
      stopTimer?.();
    };
  }

  #lease(server: PoolServer, reason: string, modelKey?: string): Pick {
    const { deviceId } = server;
    this.#inFlight.set(deviceId, (this.#inFlight.get(deviceId) ?? 0) + 1);
    let open = true;
    const release = (outcome: Outcome) => {
      if (!open) return;
      open = false;
      const left = (this.#inFlight.get(deviceId) ?? 1) - 1;
      if (left > 0) this.#inFlight.set(deviceId, left);
      else this.#inFlight.delete(deviceId);
      this.judge(deviceId, outcome, server);
      // Whoever lists what is loaded next is to see what this has loaded.
      if (modelKey === undefined || outcome.type !== 'completed') return;
      if (!this.#fleet.server(deviceId)?.loadedKeys.has(modelKey)) this.#fleet.refresh(deviceId);
    };
    return { server, reason, seatHeaders: [], begun: () => {}, stalled: () => {}, release };
  }

  /** Passes on what an outcome says about a server; `began` is the server as it was when the attempt began. */
  judge(deviceId: string, outcome: Outcome, began?: PoolServer): void {
    if (outcome.type === 'completed') this.#fleet.judge(deviceId, { type: 'completed' });
    if (outcome.type === 'failed' && !outcome.judged) {
      const { cause, reason } = outcome;
      const at = began && { url: began.url, wasReliable: began.verdict.state === 'reliable' };
      this.#fleet.judge(deviceId, { type: 'attempt-failed', cause, reason, ...at });
    }
  }

  /**
   * Whether it matters that a request waits here: not where a plain Ollama is the only one to have its model, which
   * has a queue of its own.
   */
  hasChoice(modelKey: string): boolean {
    if (this.#options.keepsQueue) return true;
    const able = this.#fleet.servers().filter((server) => mayHold(server, modelKey));
    return able.length > 1 || able.some(({ load }) => load !== undefined);
  }

  /** Whether any server is known to hold the model. */
  isHeld(modelKey: string): boolean {
    return isHeld(this.#fleet.servers(), modelKey);
  }

  /** See `Fleet.attend`. */
  attend(deviceId: string, bytes: () => number, onGone: (reason: string) => void): Attendance {
    return this.#fleet.attend(deviceId, bytes, onGone);
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
