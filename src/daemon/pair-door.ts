import type { ServerResponse } from 'node:http';
import type { Cancel, Clock } from '../clock.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import { changeDevices, deviceName, type Right, rightsFor, withDevice } from '../security/allow-list.ts';
import { ShownCode } from '../security/pairing.ts';
import type { Trust } from '../security/trust.ts';
import { PAIR_PATH } from './gate.ts';
import type { Guests } from './guests.ts';
import { type Claim, hex, readGuest, writeOffer } from './pair-wire.ts';
import { bad, readJson, refuseStrangers } from './small-json.ts';

export interface PairDoorOptions {
  readonly clock: Clock;
  readonly dataDir: string;
  readonly deviceId: string;
  /** What this machine is called. */
  readonly name: string;
  readonly trust: Trust;
  readonly guests: Guests;
  /** Why nobody can come to this ollana; undefined where somebody can. */
  readonly unreachable: string | undefined;
}

/** Where a program of this machine has a code shown: an answer of lines, which lasts as long as the code is good. */
export const PAIRING_PATH = '/ollana/api/pairing';
/** Codes are good for this long, all together, ms: somebody walks to the other machine. */
const PAIRING_MS = 120_000;
/** Codes that are shown one after the other, each when the one before has been guessed at. */
const MAX_CODES = 3;
const MAX_BODY_BYTES = 8 * 1024;
/** A mistake and an attack look the same; who has typed the code rightly knows which it was. */
const WRONG = 'If it was typed rightly somebody sits between the two machines and passes on what they say';

/** One line of what a program of this machine is told. */
export type PairingLine =
  | {
      readonly code: string;
      readonly leftMs: number;
      readonly name: string;
      readonly id: string;
      /** What became of the code before; absent for the first one. */
      readonly before?: string;
    }
  | { readonly paired: { readonly id: string; readonly name: string } }
  | { readonly over: string };

/** A pairing that is going on. */
interface Pairing {
  readonly response: ServerResponse;
  readonly rights: readonly Right[];
  readonly until: number;
  readonly stop: Cancel;
  code: ShownCode;
  codes: number;
}

/** Shows codes to whoever sits at this machine, and pairs the device that proves to have been told one. */
export class PairDoor {
  readonly #options: PairDoorOptions;
  #pairing: Pairing | undefined;

  constructor(options: PairDoorOptions) {
    this.#options = { ...options, name: deviceName(options.name) };
  }

  /** Answers the two paths of pairing; returns false for all others. */
  answers = (exchange: Exchange): boolean => {
    const path = pathOf(exchange.target);
    const answer = path === PAIR_PATH ? this.#meet : path === PAIRING_PATH ? this.#show : undefined;
    if (!answer || exchange.method !== 'POST') return false;
    answer(exchange).catch((error: unknown) => answerError(exchange, error));
    return true;
  };

  #show = async (exchange: Exchange): Promise<void> => {
    const { clock, unreachable } = this.#options;
    refuseStrangers(exchange);
    const body = await readJson(exchange, clock, MAX_BODY_BYTES);
    if (unreachable !== undefined) throw bad(unreachable, 409);
    if (this.#pairing) throw bad('a pairing is going on already: end it, or use its code', 409);
    const { response } = exchange;
    // Its end would never be heard of, and the door be held for as long as a code is good.
    if (response.destroyed) return;
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    const pairing: Pairing = {
      response,
      rights: rightsFor(body?.manage === true, body?.readOnly === true),
      until: clock.now() + PAIRING_MS,
      stop: clock.after(PAIRING_MS, () => this.#end({ over: 'nobody has used the code within 2 minutes' })),
      code: new ShownCode(),
      codes: 1,
    };
    this.#pairing = pairing;
    response.once('close', () => {
      if (this.#pairing === pairing) this.#end({ over: 'given up' });
    });
    this.#tellCode(pairing);
  };

  #tellCode({ response, code, until }: Pairing, before?: string): void {
    const { clock, name, deviceId } = this.#options;
    const leftMs = Math.round(until - clock.now());
    tell(response, {
      code: code.digits,
      leftMs,
      name,
      id: deviceId,
      ...(before !== undefined && { before }),
    });
  }

  #end(line: PairingLine): void {
    const pairing = this.#pairing;
    this.#pairing = undefined;
    pairing?.stop();
    if (pairing) tell(pairing.response, line);
    pairing?.response.end();
  }

  #meet = async (exchange: Exchange): Promise<void> => {
    const { clock, guests, name } = this.#options;
    const guestId = guests.idOf(exchange.request.socket);
    if (guestId === undefined)
      throw bad('pairing takes TLS 1.3 and a certificate: use `ollana device pair`', 403);
    const said = readGuest(await readJson(exchange, clock, MAX_BODY_BYTES));
    if (!said) throw bad('this is no step of a pairing');
    const pairing = this.#pairing;
    if (!pairing) throw bad(`no code is shown on ${name}: type \`ollana device pair\` there first`, 409);
    if (said.step === 'greet') answerJson(exchange, 200, writeOffer({ ...offerOf(pairing), name }));
    else answerJson(exchange, 200, { proof: hex(await this.#prove(pairing, said, guestId)) });
  };

  /** Pairs whoever has the code. Rejects with what to tell it if it has not. */
  async #prove(pairing: Pairing, claim: Claim, guestId: string): Promise<Buffer> {
    const { deviceId: hostId, name: hostName, dataDir, trust, clock } = this.#options;
    const guestName = claim.name;
    // An answer to the code before is none to this one, and costs nothing.
    if (!claim.salt.equals(pairing.code.salt))
      throw bad(`that code is over: look at the one that ${hostName} shows now`, 409);
    const proof = pairing.code.judge(claim, { hostId, hostName, guestId, guestName });
    if (!proof) {
      this.#next(pairing);
      throw new OllanaError(
        'OLLANA_NOT_PAIRED',
        `wrong code; ${hostName} ${this.#pairing ? 'shows a new one' : 'shows no more of them'}. ${WRONG}`,
        {
          status: 403,
        },
      );
    }
    const since = new Date(clock.wall()).toISOString();
    const name = deviceName(guestName);
    try {
      await changeDevices(dataDir, (devices) =>
        withDevice(devices, { id: guestId, name, since, rights: pairing.rights }),
      );
    } catch (error) {
      this.#end({ over: reasonOf(error) });
      throw error;
    }
    trust.refresh();
    if (this.#pairing === pairing) this.#end({ paired: { id: guestId, name } });
    return proof;
  }

  /** A code that was guessed at is not good any more. */
  #next(pairing: Pairing): void {
    if (pairing.codes >= MAX_CODES) {
      this.#end({ over: `${MAX_CODES} codes were guessed at wrongly; somebody may be trying to get in` });
      return;
    }
    pairing.codes += 1;
    pairing.code = new ShownCode();
    this.#tellCode(pairing, `the code before was not used rightly: ${WRONG}`);
  }
}

function offerOf({ code: { salt, hostKey } }: Pairing) {
  return { salt, hostKey };
}

function tell(response: ServerResponse, line: PairingLine): void {
  if (!response.writableEnded && !response.destroyed) response.write(`${JSON.stringify(line)}\n`);
}
