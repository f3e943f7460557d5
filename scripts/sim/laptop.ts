import type { Clock } from '../../src/clock.ts';
import { type ServerLoad, type TakenSeat, withTaken } from '../../src/fleet/load.ts';
import { assumedCost, UNKNOWN_COST } from '../../src/routing/assumed-cost.ts';
import type { Balance } from '../../src/routing/balance.ts';
import { tellsCost } from '../../src/routing/choice.ts';
import { type Demand, type LoadWeight, ORDINARY_LOAD, weightOf } from '../../src/routing/demand.ts';
import type { Job } from '../../src/routing/desk.ts';
import { type AssumedCost, estimate } from '../../src/routing/finish.ts';
import type { FleetSpeeds } from '../../src/routing/fleet-speeds.ts';
import type { Option } from '../../src/routing/valuation.ts';
import { TOLD_AFTER_MS } from '../../src/server/remote-desk.ts';
import type { GpuJob } from '../fleet/gpu-model.ts';
import { UNIT_BYTES } from '../fleet/world.ts';
import { FarDesk } from './far-desk.ts';
import type { SimServer } from './server.ts';
import type { Journey } from './ticket.ts';
import type { Wire } from './wire.ts';

/** What laptops and servers of a run share. */
export interface Fleet {
  readonly clock: Clock;
  readonly wire: Wire;
  readonly servers: readonly SimServer[];
  /** What each server told last: one table for all laptops. */
  readonly told: ServerLoad[];
  readonly speeds: FleetSpeeds;
  readonly demand: Demand;
  readonly balance: Balance;
}

/** A server tells all that it has in memory. */
const NO_KEYS: ReadonlySet<string> = new Set();

interface Taken extends TakenSeat {
  readonly server: number;
  readonly at: number;
}

/** A machine with apps: chooses servers by itself, with what it was told and what it has just done. */
export class Laptop {
  readonly #fleet: Fleet;
  readonly #device: string;
  /** When it took a seat at which server, for those too new to be in what it was told. */
  #taken: Taken[] = [];
  /** Where each conversation ran last, and how much of it is in that cache. */
  readonly #ran = new Map<string, { readonly server: number; readonly tokens: number }>();
  #turn = 0;

  constructor(fleet: Fleet, device: string) {
    this.#fleet = fleet;
    this.#device = device;
  }

  /** Remembers where a request ran. */
  ran({ conversation, promptTokens, outputTokens, prefixTokens }: GpuJob, server: number): void {
    // A conversation that is never gone on with needs no place.
    if (prefixTokens === 0 && this.#fleet.servers.length > 100) return;
    this.#ran.set(conversation, { server, tokens: promptTokens + outputTokens });
  }

  /** Took a seat that looked free: it counts until the server tells of it. */
  took(server: number, { model }: Job, workMs: number): void {
    this.#taken.push({ server, model, at: this.#fleet.clock.now(), workMs });
  }

  /** What `bind` asks for a request: equal servers take turns in coming first. */
  optionsFor(asked: GpuJob, tried: ReadonlySet<number>, journey: Journey): () => Option[] {
    const { told, servers, clock } = this.#fleet;
    const turn = this.#turn;
    this.#turn += 1;
    return () => {
      journey.decisions += 1;
      const since = clock.now() - TOLD_AFTER_MS;
      this.#taken = this.#taken.filter(({ at }) => at > since);
      const job = this.#jobOf(asked, 0);
      const at = this.#ran.get(asked.conversation);
      const options: Option[] = [];
      for (let i = 0; i < servers.length; i += 1) {
        const server = (i + turn) % servers.length;
        if (tried.has(server)) continue;
        const cached = at?.server === server ? Math.min(at.tokens, asked.prefixTokens) : 0;
        options.push(
          this.#optionAt(server, cached > 0 ? this.#jobOf(asked, cached) : job, told[server], journey),
        );
      }
      return options;
    };
  }

  #jobOf({ model, promptTokens }: GpuJob, cached: number): Job {
    return {
      model: model.name,
      device: this.#device,
      promptTokens: Math.max(1, promptTokens - cached),
      maxOutputTokens: undefined,
      numCtx: undefined,
    };
  }

  #weightAt(model: string, load: ServerLoad | undefined, server: number): LoadWeight {
    if (load?.models[model]?.loaded) return ORDINARY_LOAD;
    const { demand, balance, told, clock } = this.#fleet;
    const now = clock.now();
    const holders = told.map((one, i) => ({ deviceId: String(i), load: one, loadedKeys: NO_KEYS }));
    demand.read(holders, now);
    return weightOf(demand, model, load, (evicts) =>
      balance.factor(holders, String(server), model, evicts, now),
    );
  }

  /** As a daemon does it: a server that has not run a model is expected to be as fast with it as with others. */
  #costAt(server: number, model: string, load: ServerLoad | undefined): AssumedCost {
    if (tellsCost(load?.models[model])) return UNKNOWN_COST;
    const { speeds, told, clock } = this.#fleet;
    const servers = told.map((one, i) => ({ deviceId: String(i), load: one }));
    return assumedCost(undefined, speeds.guess(servers, String(server), model, clock.now()), UNIT_BYTES);
  }

  #optionAt(server: number, job: Job, told: ServerLoad | undefined, journey: Journey): Option {
    const own = this.#taken.length === 0 ? this.#taken : this.#taken.filter((one) => one.server === server);
    const load = told && withTaken(told, own);
    return {
      deviceId: String(server),
      desk: new FarDesk({ fleet: this.#fleet, laptop: this, server, load, journey }),
      job,
      tier: 0,
      standsIn: false,
      estimate: estimate(
        load,
        job,
        this.#costAt(server, job.model, load),
        this.#weightAt(job.model, load, server),
      ),
    };
  }
}
