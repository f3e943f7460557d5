import type { Clock } from '../clock.ts';
import type { PolicyName } from '../config.ts';
import { CostFile, type CostFileNotice } from '../fleet/cost-file.ts';
import { Costs } from '../fleet/costs.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { FleetView } from '../fleet/view.ts';
import { Affinity } from '../routing/affinity.ts';
import { Balance } from '../routing/balance.ts';
import { Demand } from '../routing/demand.ts';
import { FleetSpeeds } from '../routing/fleet-speeds.ts';
import { Router } from '../routing/router.ts';
import type { DialPlan } from '../security/dial.ts';
import type { QueueEvent } from '../server/events.ts';
import { type CardsOf, Desks, type SlotsOf } from './desks.ts';

export interface ChoosingOptions {
  readonly clock: Clock;
  readonly fleet: Fleet;
  readonly deviceId: string;
  /** Where what has been learned is kept. */
  readonly dataDir: string;
  readonly policy: PolicyName;
  /** This machine's Ollama is queued for here, by other machines too. */
  readonly keepsQueue: boolean;
  /** See `ChoiceOptions`. */
  readonly protectContext?: boolean | undefined;
  readonly slots: SlotsOf;
  /** See `LocalDeskOptions.cards`. */
  readonly cards?: CardsOf | undefined;
  /** How servers are dialled. */
  readonly dialer: DialPlan;
  readonly onNotice: (notice: CostFileNotice | QueueEvent) => void;
}

/** What choosing servers takes: queues, what has been learned, and who asks them. */
export interface Choosing extends AsyncDisposable {
  readonly desks: Desks;
  /**
   * Chooses among the servers of `view`, preferring the one at `homeUrl` if given. All routers share the queues,
   * what has been learned, and the count of what runs where.
   */
  router(view: FleetView, homeUrl?: string): Router;
}

/** Builds it; disposal writes down what was learned. Never rejects. */
export async function startChoosing(options: ChoosingOptions): Promise<Choosing> {
  const { clock, fleet, deviceId, dataDir, policy, keepsQueue, protectContext, slots, onNotice } = options;
  const { dialer, cards } = options;
  const costs = new Costs();
  const file = new CostFile({ dir: dataDir, costs, clock, onNotice });
  await file.start();
  const desks = new Desks({
    clock,
    fleet,
    costs,
    device: deviceId,
    slots,
    cards,
    dialer,
    onTicket: onNotice,
  });
  const affinity = new Affinity();
  const inFlight = new Map<string, number>();
  return {
    desks,
    router: (view, homeUrl) => {
      const speeds = new FleetSpeeds();
      return new Router({
        fleet: view,
        homeUrl,
        clock,
        costs,
        inFlight,
        deskOf: (server) => desks.of(server),
        onLoad: (listener) => desks.onChange(listener),
        affinity,
        speeds,
        demand: new Demand(),
        balance: new Balance(speeds),
        policy,
        protectContext,
        keepsQueue,
        dice: Math.random,
      });
    },
    [Symbol.asyncDispose]: async () => {
      desks[Symbol.dispose]();
      await file[Symbol.asyncDispose]();
    },
  };
}
