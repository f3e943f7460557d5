import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Cancel, Clock } from '../clock.ts';
import type { ErrorCode } from '../errors.ts';
import type { Desk, Job, Seat } from '../routing/desk.ts';
import { readSmallBody } from './small-body.ts';
import { MAX_TICKET_BYTES, readTicket } from './ticket-wire.ts';

/** A seat that nobody claims is given to the next one after this, ms: a laptop may have gone to sleep. */
const LAPSE_MS = 2000;
/** A ticket request that dribbles in is given up after this, ms. */
const BODY_LIMIT_MS = 5000;
/** Seconds after which somebody who found the queue full may ask again. */
const RETRY_AFTER_S = 2;

interface Grant {
  readonly seat: Seat;
  readonly device: string;
  /** `modelKey` of the model that it is a slot of. */
  readonly model: string;
  /** Ends the ticket's answer. */
  readonly done: () => void;
}

export interface TicketDoorOptions {
  readonly clock: Clock;
  readonly desk: () => Desk | undefined;
}

/**
 * Hands out places in this machine's queue to other machines: a hanging request is a ticket, a line
 * of its answer a grant, closing it gives back whichever it is. If there is no seat at once, a line before tells
 * how long those ahead will take.
 */
export class TicketDoor {
  readonly #options: TicketDoorOptions;
  readonly #grants = new Map<string, Grant>();

  constructor(options: TicketDoorOptions) {
    this.#options = options;
  }

  /** Answers `POST /ollana/api/tickets`; `device` is who shares a turn in the queue. Never throws. */
  answer(request: IncomingMessage, response: ServerResponse, device: string): void {
    const { clock } = this.#options;
    void readSmallBody(request, { clock, maxBytes: MAX_TICKET_BYTES, limitMs: BODY_LIMIT_MS }).then(
      (body) => {
        if (typeof body === 'string') return void response.destroy();
        const job = readTicket(body, device);
        const desk = this.#options.desk();
        if (!job)
          return refuse(
            response,
            'OLLANA_BAD_REQUEST',
            'this is no ticket: a JSON object with a model was expected',
          );
        if (!desk) return refuse(response, 'OLLANA_NO_SERVER', 'Ollama is away');
        if (response.destroyed) return;
        let giveBack: Cancel | undefined;
        const ticket = desk.open(job, {
          onSeat: (seat) => {
            giveBack = this.#grant(seat, job, response);
          },
          onQueued: (aheadMs) => tell(response, { aheadMs: Math.round(aheadMs) }),
          onLost: () => response.destroy(),
          onRefused: (reason) => refuse(response, 'OLLANA_QUEUE_FULL', reason),
        });
        response.once('close', () => {
          ticket.close();
          giveBack?.();
        });
      },
    );
  }

  /** The seat that a grant stands for, once; undefined when it has lapsed, is somebody else's or for another model. */
  claim(id: string, { device, model }: Pick<Job, 'device' | 'model'>): Seat | undefined {
    const grant = this.#grants.get(id);
    if (grant?.device !== device || grant.model !== model) return undefined;
    this.#grants.delete(id);
    grant.done();
    return grant.seat;
  }

  /** Tells the winner; returns what gives the seat back if it has not been claimed. */
  #grant(seat: Seat, { device, model }: Job, response: ServerResponse): Cancel {
    const id = randomUUID();
    const giveBack = () => {
      stopLapse();
      if (!this.#grants.delete(id)) return;
      response.end();
      seat.release();
    };
    const stopLapse = this.#options.clock.after(LAPSE_MS, giveBack);
    const done = () => {
      stopLapse();
      response.end();
    };
    this.#grants.set(id, { seat, device, model, done });
    tell(response, { grant: id });
    return giveBack;
  }
}

function tell(response: ServerResponse, line: object): void {
  if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
  response.write(`${JSON.stringify(line)}\n`);
}

function refuse(response: ServerResponse, code: ErrorCode, message: string): void {
  if (response.headersSent) response.destroy();
  if (response.destroyed) return;
  const status = code === 'OLLANA_BAD_REQUEST' ? 400 : 503;
  const body = JSON.stringify({ error: message });
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'X-Ollana-Error': code,
    ...(status === 503 && { 'Retry-After': String(RETRY_AFTER_S) }),
  });
  response.end(body);
}
