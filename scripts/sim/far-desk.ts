import type { ServerLoad } from '../../src/fleet/load.ts';
import { UNKNOWN_COST } from '../../src/routing/assumed-cost.ts';
import type { Desk, Job, Seat, Ticket, TicketEvents } from '../../src/routing/desk.ts';
import { serviceMs, UNLOADED } from '../../src/routing/finish.ts';
import type { Fleet, Laptop } from './laptop.ts';
import { type Journey, openTicket, seatOf } from './ticket.ts';

export interface FarDeskOptions {
  readonly fleet: Fleet;
  readonly laptop: Laptop;
  /** Its place among the servers of the fleet. */
  readonly server: number;
  readonly load: ServerLoad | undefined;
  readonly journey: Journey;
}

/** One server's queue as one request of a laptop sees it at one moment. */
export class FarDesk implements Desk {
  readonly #options: FarDeskOptions;

  constructor(options: FarDeskOptions) {
    this.#options = options;
  }

  load(): ServerLoad | undefined {
    return this.#options.load;
  }

  /** Looks free: the server may still find it taken. */
  take(job: Job): Seat {
    const { laptop, server, load } = this.#options;
    laptop.took(server, job, serviceMs(load?.models[job.model] ?? UNLOADED, job, UNKNOWN_COST));
    return seatOf(undefined, () => {});
  }

  open(job: Job, events: TicketEvents): Ticket {
    const { fleet, server, journey } = this.#options;
    const queue = fleet.servers[server];
    if (!queue) throw new RangeError(`no server ${server} in this fleet`);
    return openTicket(fleet.wire, queue.desk, journey, job, events);
  }
}
