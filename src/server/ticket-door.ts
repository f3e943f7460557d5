import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Cancel, Clock } from '../clock.ts';
import { RateLimit } from '../discovery/rate-limit.ts';
import type { ErrorCode } from '../errors.ts';
import { isOwnAddress, type LimitName, type OnLimit } from '../limits.ts';
import type { Desk, Job, Seat } from '../routing/desk.ts';
import type { OnTicket, TicketStep } from './events.ts';
import { readSmallBody } from './small-body.ts';
import { MAX_TICKET_BYTES, readTicket } from './ticket-wire.ts';

/** A seat that nobody claims is given to the next one after this, ms: a laptop may have gone to sleep. */
const LAPSE_MS = 2000;
/** A ticket request that dribbles in is given up after this, ms. */
const BODY_LIMIT_MS = 5000;
/** Tickets that one address may ask for in a second: a busy laptop asks for some 20, and several may share one. */
const MAX_PER_SECOND = 200;
/** Whoever asks for more is answered after this at the earliest, ms: asking again at once would cost more than serving it. */
const EXCESS_MS = 1000;
/** The answers are spread over as long again: those to a burst, given at one moment, would keep others waiting. */
const SPREAD_MS = 1000;
/** Coprime to `SPREAD_MS`: those that came at one moment are answered far apart, ms. */
const STEP_MS = 377;
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
  readonly onTicket?: OnTicket | undefined;
}

/** Why a ticket is refused. */
interface Refusal {
  readonly code: ErrorCode;
  readonly status: 400 | 408 | 413 | 429 | 503;
  readonly message: string;
  readonly limit?: LimitName;
}

const NO_TICKET: Refusal = {
  code: 'OLLANA_BAD_REQUEST',
  status: 400,
  message: 'this is no ticket: a JSON object with a model was expected',
};
const TOO_LONG: Refusal = {
  code: 'OLLANA_BAD_REQUEST',
  status: 413,
  message: `a ticket has ${MAX_TICKET_BYTES} bytes at most: send the model and the numbers only`,
  limit: 'body-bytes',
};
const TOO_SLOW: Refusal = {
  code: 'OLLANA_BAD_REQUEST',
  status: 408,
  message: `the ticket did not come within ${BODY_LIMIT_MS / 1000} s: send it at once`,
  limit: 'body-time',
};
const TOO_OFTEN: Refusal = {
  code: 'OLLANA_RATE_LIMITED',
  status: 429,
  message: `over ${MAX_PER_SECOND} tickets a second were asked for from this address: wait for those that are open`,
  limit: 'ticket-rate',
};

/**
 * Hands out places in this machine's queue to other machines: a hanging request is a ticket, a line
 * of its answer a grant, closing it gives back whichever it is. If there is no seat at once, a line before tells
 * how long those ahead will take.
 */
export class TicketDoor {
  readonly #options: TicketDoorOptions;
  readonly #grants = new Map<string, Grant>();
  readonly #rate: RateLimit;
  #excessMs = 0;

  constructor(options: TicketDoorOptions) {
    this.#options = options;
    this.#rate = new RateLimit(options.clock, MAX_PER_SECOND);
  }

  /**
   * Answers `POST /ollana/api/tickets`; `device` is who shares a turn in the queue. `onLimit` is told of what there was
   * too much of. Never throws.
   */
  answer(request: IncomingMessage, response: ServerResponse, device: string, onLimit: OnLimit): void {
    const { clock } = this.#options;
    const peer = request.socket.remoteAddress ?? '';
    const refuse = (refusal: Refusal) => {
      if (refusal.limit) onLimit({ type: 'limit-reached', limit: refusal.limit, peer });
      answerRefusal(response, refusal);
    };
    if (!isOwnAddress(peer) && !this.#rate.allow(peer)) {
      this.#excessMs = (this.#excessMs + STEP_MS) % SPREAD_MS;
      const stop = clock.after(EXCESS_MS + this.#excessMs, () => refuse(TOO_OFTEN));
      return void response.once('close', stop);
    }
    void readSmallBody(request, { clock, maxBytes: MAX_TICKET_BYTES, limitMs: BODY_LIMIT_MS }).then(
      (body) => {
        if (body === 'over') return refuse(TOO_LONG);
        if (body === 'late') return refuse(TOO_SLOW);
        if (body === 'broken') return void response.destroy();
        const job = readTicket(body, device);
        const desk = this.#options.desk();
        if (!job) return refuse(NO_TICKET);
        if (!desk) return refuse({ code: 'OLLANA_NO_SERVER', status: 503, message: 'Ollama is away' });
        if (response.destroyed) return;
        let giveBack: Cancel | undefined;
        let waits = true;
        const settle = (step: TicketStep) => {
          if (waits) this.#tell(step);
          waits = false;
        };
        const lost = () => {
          settle('lost');
          response.destroy();
        };
        this.#tell('opened');
        const ticket = desk.open(job, {
          onSeat: (seat) => {
            settle('granted');
            giveBack = this.#grant(seat, job, response);
          },
          onQueued: (aheadMs) => tell(response, { aheadMs: Math.round(aheadMs) }),
          onLost: lost,
          onFailed: lost,
          onRefused: (message) => {
            settle('refused');
            refuse({ code: 'OLLANA_QUEUE_FULL', status: 503, message, limit: 'queue' });
          },
        });
        response.once('close', () => {
          settle('left');
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
    this.#tell('claimed');
    grant.done();
    return grant.seat;
  }

  /** Tells the winner; returns what gives the seat back if it has not been claimed. */
  #grant(seat: Seat, { device, model }: Job, response: ServerResponse): Cancel {
    const id = randomUUID();
    const giveBack = (step: TicketStep) => {
      stopLapse();
      if (!this.#grants.delete(id)) return;
      this.#tell(step);
      response.end();
      seat.release();
    };
    const stopLapse = this.#options.clock.after(LAPSE_MS, () => giveBack('lapsed'));
    const done = () => {
      stopLapse();
      response.end();
    };
    this.#grants.set(id, { seat, device, model, done });
    tell(response, { grant: id });
    return () => giveBack('returned');
  }

  #tell(step: TicketStep): void {
    this.#options.onTicket?.({ type: 'ticket', role: 'server', step });
  }
}

function tell(response: ServerResponse, line: object): void {
  if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
  response.write(`${JSON.stringify(line)}\n`);
}

function answerRefusal(response: ServerResponse, { code, status, message }: Refusal): void {
  if (response.headersSent) response.destroy();
  if (response.destroyed) return;
  const body = JSON.stringify({ error: message });
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'X-Ollana-Error': code,
    ...((status === 503 || status === 429) && { 'Retry-After': String(RETRY_AFTER_S) }),
    // Not all of it has been read.
    ...((status === 408 || status === 413) && { Connection: 'close' }),
  });
  response.end(body);
}
