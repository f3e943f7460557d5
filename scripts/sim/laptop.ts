import type { Clock } from '../../src/clock.ts';
import { type ModelLoad, type ServerLoad, serverLoad } from '../../src/fleet/load.ts';
import type { Job } from '../../src/routing/desk.ts';
import { estimate } from '../../src/routing/finish.ts';
import type { Option } from '../../src/routing/valuation.ts';
import type { GpuJob } from '../fleet/gpu-model.ts';
import { ASSUMED, FarDesk } from './far-desk.ts';
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
}

/** As in `RemoteDesk`: what it is told counts a seat that was taken longer ago than this, ms. */
const TOLD_AFTER_MS = 60;

interface Taken {
  readonly server: number;
  readonly model: string;
  readonly at: number;
  readonly workMs: number;
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

  #optionAt(server: number, job: Job, told: ServerLoad | undefined, journey: Journey): Option {
    const load = this.#taken.length === 0 ? told : this.#withTaken(server, told);
    return {
      deviceId: String(server),
      desk: new FarDesk({ fleet: this.#fleet, laptop: this, server, load, journey }),
      job,
      tier: 0,
      standsIn: false,
      estimate: estimate(load, job, ASSUMED),
    };
  }

  #withTaken(server: number, told: ServerLoad | undefined): ServerLoad | undefined {
    const own = this.#taken.filter((one) => one.server === server);
    if (own.length === 0 || !told) return told;
    const models: Record<string, ModelLoad> = { ...told.models };
    for (const { model, workMs } of own) {
      const known = models[model];
      if (known) models[model] = { ...known, active: known.active + 1, backlogMs: known.backlogMs + workMs };
    }
    return serverLoad(models);
  }
}
