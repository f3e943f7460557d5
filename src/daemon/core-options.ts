import type { Clock } from '../clock.ts';
import type { CommonConfig, PolicyName } from '../config.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { MachineFacts } from '../fleet/machine-facts.ts';
import type { ObservedEvent } from '../observe/event-stream.ts';
import type { Log } from '../observe/log.ts';
import type { Exchange } from '../proxy/exchange.ts';
import type { Asked } from '../proxy/want.ts';
import type { Right } from '../security/allow-list.ts';
import type { PathAgent } from '../security/path-agent.ts';
import type { Feed } from '../server/feed.ts';
import type { Choosing } from './choosing.ts';
import type { Daemon } from './daemon.ts';
import type { CardsOf, SlotsOf } from './desks.ts';
import type { Face } from './listen.ts';
import type { Reloader } from './reload.ts';
import type { Liberties, PeerRules, RuleParts, Rules } from './ways.ts';

/** What the two modes make differently. */
export interface CoreOptions {
  readonly config: CommonConfig & { readonly mode: 'client' | 'server' };
  readonly log: Log;
  readonly clock: Clock;
  /** What every peer may do beside running models and reading lists; a paired device may have more, or less. */
  readonly forAll: () => ReadonlySet<Right>;
  readonly holdMs: { readonly inference: number; readonly other: number };
  /** For apps of this machine, which may use all servers. */
  readonly rules: (parts: RuleParts) => Rules;
  /** For requests that another ollana has sent, or another machine; absent where there are none. */
  readonly peers?: (parts: RuleParts) => PeerRules;
  /** Told of requests that change what a server stores, when it has answered. */
  readonly onManaged: (exchange: Exchange, deviceId: string) => void;
  readonly policy: PolicyName;
  /** What may be done to requests beyond passing them on; absent: nothing. */
  readonly liberties?: Liberties;
  readonly slots: SlotsOf;
  /** See `LocalDeskOptions.cards`; absent: of none. */
  readonly cards?: CardsOf;
  /** Headers that tell about this machine, flat; `manages`: whoever asks may change what it stores. */
  readonly told: (exchange: Exchange, manages: boolean) => readonly string[];
  /** Tells watchers what changes here; disposed of first when the daemon ends. */
  readonly feed?: Feed;
  /** What is known of the machine that this Ollama runs on; absent where it is not read. */
  readonly machine?: () => MachineFacts | undefined;
  /** Asks the network for servers at once. */
  readonly seek: () => void;
  /** Changes `config` while it runs; absent: nobody does. */
  readonly reloader?: Reloader | undefined;
  /** Servers may post themselves; absent: they may not. */
  readonly acceptsRegistrations?: boolean | undefined;
  /** Throws when a request may not have the model it names. */
  readonly admit: (exchange: Exchange, asked: Asked) => void | Promise<void>;
}

/** The parts that both modes have, running: the face is listening, the fleet is empty. */
export interface Core {
  readonly deviceId: string;
  readonly fleet: Fleet;
  readonly port: number;
  readonly face: Face;
  readonly choosing: Choosing;
  /** Tells whoever observes the daemon. */
  readonly emit: (event: ObservedEvent) => void;
  /** Makes connections to others as is required, each anew. */
  readonly fresh: PathAgent;
  /** A daemon out of these parts; `sources` are disposed first, in order, when it ends. */
  daemon(sources: readonly AsyncDisposable[]): Daemon;
}
