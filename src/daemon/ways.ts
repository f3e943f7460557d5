import type { Fleet } from '../fleet/fleet.ts';
import type { Pool } from '../fleet/pool.ts';
import type { FleetView } from '../fleet/view.ts';
import type { ObservedEvent } from '../observe/event-stream.ts';
import { Aggregator } from '../proxy/aggregate.ts';
import { broadcast } from '../proxy/broadcast.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { Forwarder, type ForwardOptions } from '../proxy/forward.ts';
import type { Way } from '../proxy/front.ts';
import { isOwnApp } from '../proxy/own-app.ts';
import type { Asked } from '../proxy/want.ts';
import type { Router } from '../routing/router.ts';
import type { Targets } from '../routing/targets.ts';
import type { TicketDoor } from '../server/ticket-door.ts';
import type { Desks } from './desks.ts';
import type { ShelfPaths } from './shelf-paths.ts';

/** What rules can be made of. */
export interface RuleParts {
  readonly deviceId: string;
  readonly fleet: Fleet;
  readonly desks: Desks;
  /** The paired device that a request comes from. */
  readonly pairedIdOf: (exchange: Exchange) => string | undefined;
  /** Tells whoever observes the daemon. */
  readonly emit: (event: ObservedEvent) => void;
}

/** How the requests of one kind of client are treated. */
export interface Rules {
  /** Why no server could take a request and what to do, for the one who asked. */
  readonly explain: (asked?: Asked) => string;
  /** Where a request may go. */
  readonly target: (exchange: Exchange, asked: Asked, pool: Pool) => Targets;
  /** Whose turn a request takes in a queue, and how it gets its seat. */
  readonly entry: ForwardOptions['entry'];
  /** Answers pulls with what paired servers have; absent: nobody does. */
  readonly lanPull?: ForwardOptions['lanPull'];
}

/** The rules for other machines where they are served. */
export interface PeerRules extends Rules {
  /** What they see and use of the fleet. */
  readonly view: FleetView;
  /** Hands out places in this machine's queue. */
  readonly door: TicketDoor;
  /** Lends models of this machine to paired devices. */
  readonly shelf: ShelfPaths;
}

/** What the user lets us do to requests beyond passing them on. */
export type Liberties = Pick<
  ForwardOptions,
  'raceWidth' | 'substitute' | 'protectContext' | 'autoPull' | 'waker'
>;

/** What both kinds of client are served with. */
export interface WayParts
  extends Omit<
    ForwardOptions,
    'router' | 'explain' | 'target' | 'entry' | 'toEach' | 'onManaged' | 'lanPull'
  > {
  readonly fleet: Fleet;
  readonly connectTimeoutMs: number;
  /** Told of requests that change what a server stores, when it has answered. */
  readonly onManaged: (exchange: Exchange, deviceId: string) => void;
}

/** What serves those for whom `rules` are, with the servers that `router` sees. */
export function makeWay(parts: WayParts, router: Router, rules: Rules): Way {
  const { fleet, transport, clock, connectTimeoutMs, via, holdMs } = parts;
  const { explain, target, entry, lanPull } = rules;
  const refresh = (id: string) => fleet.refresh(id);
  const { agent } = transport;
  return {
    forwarder: new Forwarder({
      ...parts,
      router,
      explain,
      entry,
      lanPull,
      target: (exchange, asked) => target(exchange, asked, router.pool()),
      toEach: (...request) => broadcast({ agent, clock, connectTimeoutMs, via, refresh }, ...request),
      onManaged: (exchange, id) => {
        parts.onManaged(exchange, id);
        refresh(id);
      },
    }),
    aggregator: new Aggregator({ router, agent, clock, holdMs: () => holdMs.other, explain }),
  };
}

/**
 * Who answers a request: `all` with the whole fleet, or, in server mode, `peers` with the Ollama at `homeUrl` for
 * whatever does not come from an app of this machine.
 */
export function wayChooser(
  fleet: Fleet,
  homeUrl: string,
  all: Way,
  peers: Way | undefined,
): (exchange: Exchange) => Way {
  if (!peers) return () => all;
  // With one Ollama there is nothing to merge: what it writes is passed on as it is.
  const one = { ...peers, aggregator: undefined };
  const alone = { ...all, aggregator: undefined };
  const isAlone = () => fleet.servers().every(({ url }) => url === homeUrl);
  return (exchange) => (!isOwnApp(exchange) ? one : isAlone() ? alone : all);
}
