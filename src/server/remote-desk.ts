import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Clock } from '../clock.ts';
import { requestTo } from '../config/host.ts';
import { type ModelLoad, type ServerLoad, serverLoad, type TakenSeat, withTaken } from '../fleet/load.ts';
import { UNKNOWN_COST } from '../routing/assumed-cost.ts';
import type { Desk, Job, Seat, Ticket, TicketEvents } from '../routing/desk.ts';
import { serviceMs, UNLOADED } from '../routing/finish.ts';
import type { OnTicket, TicketStep } from './events.ts';
import { readTicketAnswer } from './ticket-answer.ts';
import { DEVICE_HEADER, GRANT_HEADER, IF_FREE_HEADER, TICKETS_PATH, writeTicket } from './ticket-wire.ts';

export interface RemoteDeskOptions {
  readonly clock: Clock;
  readonly url: string;
  /** Connections for tickets, apart from those of requests. */
  readonly agent: http.Agent;
  /** Who we are in the server's queue. */
  readonly device: string;
  /** What the server told last. */
  readonly load: () => ServerLoad | undefined;
  readonly onTicket?: OnTicket | undefined;
}

/** What the server tells is older than what we have sent it since by this at most, ms: a round trip and a pause. */
export const TOLD_AFTER_MS = 60;
/** The server tells long before so many requests have ended. */
const MAX_ENDED = 64;

/** The queue of an ollana in server mode, over the network. */
export class RemoteDesk implements Desk {
  readonly #options: RemoteDeskOptions;
  /** Seats taken so lately that the server's word does not count them yet, and when, on the clock. */
  #taken: (TakenSeat & { readonly at: number })[] = [];
  /** Models of requests of ours that have ended since the server told this. */
  #endedSince: { told: ServerLoad | undefined; models: string[] } = { told: undefined, models: [] };
  /** What loses each place that waits. */
  readonly #open = new Set<() => void>();

  constructor(options: RemoteDeskOptions) {
    this.#options = options;
  }

  get url(): string {
    return this.#options.url;
  }

  /** Places of ours that wait there. */
  get waiting(): number {
    return this.#open.size;
  }

  load(): ServerLoad | undefined {
    const told = this.#options.load();
    this.#forgetOld();
    return told && withTaken(this.#withoutEnded(told), this.#taken);
  }

  #withoutEnded(told: ServerLoad): ServerLoad {
    const ended = this.#endedSince.told === told ? this.#endedSince.models : [];
    if (ended.length === 0) return told;
    const models: Record<string, ModelLoad> = { ...told.models };
    for (const model of ended) {
      const known = models[model];
      if (known && known.active > 0) models[model] = { ...known, active: known.active - 1 };
    }
    return serverLoad(models);
  }

  #forgetOld(): void {
    if (this.#taken.length === 0) return;
    const since = this.#options.clock.now() - TOLD_AFTER_MS;
    this.#taken = this.#taken.filter(({ at }) => at > since);
  }

  take(job: Job): Seat | undefined {
    const { clock, load } = this.#options;
    const workMs = serviceMs(load()?.models[job.model] ?? UNLOADED, job, UNKNOWN_COST);
    const taken = { model: job.model, at: clock.now(), workMs };
    this.#taken.push(taken);
    return {
      headers: [IF_FREE_HEADER, '1', DEVICE_HEADER, this.#options.device],
      use: () => {},
      begun: () => {},
      stalled: () => {},
      release: (result) => {
        // Found taken, it is no freer than before: it counts until the server has told who has it.
        if (!result) return;
        this.#taken = this.#taken.filter((one) => one !== taken);
        this.#ended(job.model);
      },
    };
  }

  /** A request of ours has ended: until the server says more, one runs less there than it has said. */
  #ended(model: string): void {
    const told = this.#options.load();
    if (told !== this.#endedSince.told) this.#endedSince = { told, models: [] };
    if (this.#endedSince.models.length < MAX_ENDED) this.#endedSince.models.push(model);
  }

  /** The server has another address or is not heard any more: places there are lost. */
  lose(): void {
    for (const lose of [...this.#open]) lose();
  }

  open(job: Job, { onSeat, onQueued, onLost, onRefused, onFailed }: TicketEvents): Ticket {
    const { url, agent, device } = this.#options;
    const { headers, ...to } = requestTo(url + TICKETS_PATH);
    const body = writeTicket(job);
    const request = (to.protocol === 'https:' ? https : http).request({
      ...to,
      method: 'POST',
      agent,
      headers: {
        ...headers,
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        [DEVICE_HEADER]: device,
      },
    });
    let settled = false;
    const tell = (step: TicketStep) => this.#options.onTicket?.({ type: 'ticket', role: 'client', step });
    /** Whether this is the first that settles it; then no more is heard of it. */
    const settle = (step: TicketStep) => {
      if (settled) return false;
      settled = true;
      tell(step);
      this.#open.delete(lose);
      return true;
    };
    const lose = () => {
      if (!settle('lost')) return;
      request.destroy();
      onLost();
    };
    this.#open.add(lose);
    const refused = (reason: string) => {
      if (!settle('refused')) return;
      request.destroy();
      onRefused(reason);
    };
    const failed = () => {
      if (!settle('lost')) return;
      request.destroy();
      onFailed();
    };
    request.on('error', failed);
    request.on('response', (response) =>
      readTicketAnswer(response, {
        onRefused: refused,
        onFailed: failed,
        onQueued: (aheadMs) => {
          if (!settled) onQueued(aheadMs);
        },
        onGrant: (grant) => {
          if (settle('granted')) onSeat(this.#seat(job.model, grant, request, response));
        },
      }),
    );
    request.end(body);
    tell('opened');
    return {
      close: () => {
        if (settle('left')) request.destroy();
      },
    };
  }

  #seat(model: string, grant: string, request: ClientRequest, response: IncomingMessage): Seat {
    return {
      headers: [GRANT_HEADER, grant, DEVICE_HEADER, this.#options.device],
      use: () => {},
      begun: () => {},
      stalled: () => {},
      // The server ends the ticket's answer when the seat is claimed; until then closing it gives the seat back.
      release: (result) => {
        if (!response.complete) request.destroy();
        if (result) this.#ended(model);
      },
    };
  }
}
