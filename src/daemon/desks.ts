import type { Cancel, Clock } from '../clock.ts';
import type { CostSample } from '../fleet/cost-rules.ts';
import type { Costs } from '../fleet/costs.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { ServerFacts } from '../fleet/pool.ts';
import type { Desk } from '../routing/desk.ts';
import { type DialPlan, PLAIN } from '../security/dial.ts';
import { PathAgent } from '../security/path-agent.ts';
import type { OnTicket } from '../server/events.ts';
import { LocalDesk } from '../server/local-desk.ts';
import { RemoteDesk } from '../server/remote-desk.ts';

/**
 * Requests of a model that a plain Ollama with these facts runs at once, given how many servers hold the model;
 * undefined: nobody knows.
 */
export type SlotsOf = (model: string, facts: ServerFacts | undefined, holders: number) => number | undefined;

/** Bytes of each graphics card of a plain Ollama with these facts; empty: nobody knows. */
export type CardsOf = (facts: ServerFacts | undefined) => readonly number[];

export interface DesksOptions {
  readonly clock: Clock;
  readonly fleet: Fleet;
  readonly costs: Costs;
  /** Who we are in other machines' queues. */
  readonly device: string;
  readonly slots: SlotsOf;
  /** See `LocalDeskOptions.cards`. */
  readonly cards?: CardsOf | undefined;
  /** How servers are dialled; absent: in the clear. */
  readonly dialer?: DialPlan | undefined;
  readonly onTicket?: OnTicket | undefined;
}

/** A list that came by itself tells what was in memory this long ago at least, ms. */
const LIST_AGE_MS = 250;
/** Idle connections for tickets, per server. */
const TICKET_SOCKETS = { keepAlive: true, maxFreeSockets: 8, noDelay: true };

/** The queue of every server of the fleet: its own where it has one, else one that is kept here. */
export class Desks implements Disposable {
  readonly #options: DesksOptions;
  readonly #desks = new Map<string, LocalDesk | RemoteDesk>();
  readonly #listeners = new Set<() => void>();
  readonly #agent: PathAgent;
  readonly #synced = new Map<string, ServerFacts['ps']>();
  readonly #stop: Cancel;

  constructor(options: DesksOptions) {
    this.#options = options;
    this.#agent = new PathAgent(TICKET_SOCKETS, options.dialer ?? PLAIN);
    this.#stop = options.fleet.onChange(() => this.#follow());
  }

  of(server: ServerFacts): Desk {
    const known = this.#desks.get(server.deviceId);
    if (known && fits(known, server)) return known;
    const made = server.load ? this.#remote(server) : this.#local(server.deviceId);
    this.#desks.set(server.deviceId, made);
    if (known instanceof RemoteDesk) known.lose();
    this.#follow();
    return made;
  }

  /** Learns from a request that took no seat; those that take one are learned from by that. `model` is a `modelKey`. */
  learn({ deviceId }: ServerFacts, model: string, sample: CostSample): void {
    this.#options.costs.learn(deviceId, model, sample);
  }

  /** Calls back when a queue that is kept here has changed. */
  onChange(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Whether requests of this process wait in a server's own queue. */
  isWaitedFor(deviceId: string): boolean {
    const desk = this.#desks.get(deviceId);
    return desk instanceof RemoteDesk && desk.waiting > 0;
  }

  /** Lets in whoever can run now: what is known of an Ollama's slots has changed. */
  review(): void {
    for (const desk of this.#desks.values()) if (desk instanceof LocalDesk) desk.review();
  }

  #remote({ deviceId, url }: ServerFacts): RemoteDesk {
    const { clock, device, onTicket } = this.#options;
    return new RemoteDesk({
      clock,
      device,
      url,
      agent: this.#agent,
      load: () => this.#facts(deviceId)?.load,
      onTicket,
    });
  }

  #local(deviceId: string): LocalDesk {
    const { clock, costs, slots, cards, fleet } = this.#options;
    return new LocalDesk({
      clock,
      deviceId,
      costs,
      slots: (model, facts) => slots(model, facts, this.#holders(model)),
      ...(cards && { cards }),
      facts: () => this.#facts(deviceId),
      onChange: () => {
        for (const listener of [...this.#listeners]) listener();
      },
      refresh: () => fleet.refresh(deviceId),
    });
  }

  #holders(model: string): number {
    let holders = 0;
    for (const { modelKeys } of this.#options.fleet.servers()) if (modelKeys.has(model)) holders += 1;
    return holders;
  }

  #facts(deviceId: string): ServerFacts | undefined {
    return this.#options.fleet.server(deviceId);
  }

  /** Tells the queues kept here what the lists say, and forgets those of servers that have left. */
  #follow(): void {
    const { clock } = this.#options;
    for (const [deviceId, desk] of this.#desks) {
      const facts = this.#facts(deviceId);
      if (desk instanceof RemoteDesk && !(facts && fits(desk, facts))) {
        this.#desks.delete(deviceId);
        desk.lose();
      } else if (!facts) {
        this.#desks.delete(deviceId);
        this.#synced.delete(deviceId);
      } else if (desk instanceof LocalDesk && facts.ps !== this.#synced.get(deviceId)) {
        this.#synced.set(deviceId, facts.ps);
        desk.sync(facts, facts.psAt ?? clock.now() - LIST_AGE_MS);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#agent.destroy();
    this.#desks.clear();
    this.#listeners.clear();
  }
}

/** A server that tells what waits there keeps the queue itself; while it does not tell, it is kept here. */
function fits(desk: LocalDesk | RemoteDesk, { load, url }: ServerFacts): boolean {
  return desk instanceof RemoteDesk ? load !== undefined && desk.url === url : load === undefined;
}
