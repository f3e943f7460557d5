import { OllanaError } from '../errors.ts';
import { HELLO_PATH } from '../fleet/identify.ts';
import { AUTHORIZE_PATH, ID_HEADER, REFUSED_TEXT } from '../fleet/rust-server.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import { type Exchange, isLoopback } from '../proxy/exchange.ts';
import { answerText } from '../proxy/front.ts';
import type { OwnIdentity } from '../security/identity.ts';
import type { Trust } from '../security/trust.ts';
import type { Guests } from './guests.ts';

export interface GateOptions {
  readonly own: OwnIdentity;
  readonly trust: Trust;
  readonly guests: Guests;
  /** What this machine is called. */
  readonly name: string;
}

/** Where two devices are paired, which strangers must reach. */
export const PAIR_PATH = '/ollana/api/pair';
/** By which clients of the ollana in Rust say who they are, with every request. */
const RUST_HEADER = ID_HEADER.toLowerCase();

/** Who may come in, and as whom. Programs of this machine, by loopback, always may. */
export class Gate {
  readonly #options: GateOptions;

  constructor(options: GateOptions) {
    this.#options = options;
    options.trust.onChange(() => this.#review());
  }

  /** The paired device that a request comes from; undefined where it comes from none. */
  deviceOf({ request }: Exchange) {
    const id = this.#options.guests.idOf(request.socket);
    return id === undefined ? undefined : this.#options.trust.device(id);
  }

  /** Answers a request that may not come in; returns false for the others. */
  refuses = (exchange: Exchange): boolean => {
    if (exchange.fromHere || this.#isWelcome(exchange)) return false;
    const path = pathOf(exchange.target);
    if (path === PAIR_PATH) return false;
    // Clients of the ollana in Rust end themselves on anything else.
    if (path === AUTHORIZE_PATH || (this.#namesItself(exchange) && path !== HELLO_PATH))
      answerText(exchange, 401, REFUSED_TEXT);
    else answerError(exchange, stranger(this.#options.name));
    return true;
  };

  /** What an ollana in Rust is told that asks who we are; undefined: it may not use us. */
  rustIdFor({ request }: Exchange): string | undefined {
    const { own, trust } = this.#options;
    if (trust.closed) return undefined;
    // The old id opens the doors of those that allow it: only those on the list are told, who know it already.
    const isKnown = trust.rustIds.has(String(request.headers[RUST_HEADER]));
    if (isKnown) return own.rustId ?? own.deviceId;
    return trust.rustIds.size > 0 ? undefined : own.deviceId;
  }

  #isWelcome(exchange: Exchange): boolean {
    const { trust, guests } = this.#options;
    const { socket } = exchange.request;
    const id = guests.idOf(socket);
    if (id !== undefined && trust.isPaired(id)) return true;
    if (trust.closed) return false;
    // The list of the ollana in Rust that was here before counts as it did there, where all could ask for the version.
    if (trust.rustIds.size === 0 || pathOf(exchange.target) === '/api/version') return true;
    return 'encrypted' in socket && this.#namesItself(exchange, trust.rustIds);
  }

  #namesItself({ request }: Exchange, as?: ReadonlySet<string>): boolean {
    const id = request.headers[RUST_HEADER];
    return typeof id === 'string' && (as === undefined || as.has(id));
  }

  /** Those that may not come in any more are put out, whatever they are at. */
  #review(): void {
    const { trust, guests } = this.#options;
    if (!trust.closed) return;
    guests.review((id, address) => isLoopback(address) || (id !== undefined && trust.isPaired(id)));
  }
}

function stranger(name: string): OllanaError {
  const what = `${name} serves paired devices only: type \`ollana device pair\` there, and \`ollana device pair ${name}\` on this machine`;
  return new OllanaError('OLLANA_NOT_PAIRED', what, { status: 403 });
}
