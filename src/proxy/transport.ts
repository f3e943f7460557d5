import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import util from 'node:util';
import type Server from 'http-proxy';
import type { Cancel, Clock } from '../clock.ts';
import { addressOf, isLoopbackHost } from '../config/host.ts';
import { type DialPlan, PLAIN, readyEvent } from '../security/dial.ts';
import { PathAgent } from '../security/path-agent.ts';
import { answerFault } from './answer-fault.ts';
import { restoreType } from './lost-type.ts';

/** One request to one server. */
export interface Dispatch {
  /** Base URL of the server; a path in it is put before `target`. */
  readonly url: string;
  readonly method: string;
  /** Path and query exactly as they are to appear on the wire. */
  readonly target: string;
  readonly headers: OutgoingHttpHeaders;
  /** A stream is opened when there is a connection: of a failed dial nothing is lost. */
  readonly body: Buffer | (() => Readable);
  /** On a connection of its own: one kept may have been closed by the server, and this cannot be repeated. */
  readonly fresh: boolean;
  /** The client's response: when it closes early, the request to the server is closed at once. */
  readonly client: ServerResponse;
}

/** How far a request got. */
export type Arrival =
  | { readonly stage: 'answered'; readonly response: IncomingMessage }
  /** `dial`: no connection, nothing was sent. `sent`: broke off before any byte of an answer. */
  | { readonly stage: 'dial' | 'sent'; readonly error: Error; readonly reused: boolean };

export interface Sending {
  readonly arrival: Promise<Arrival>;
  /** Closes the connection to the server at once, whatever stage it is in. */
  destroy(reason: Error): void;
}

/** Idle connections kept per server: more than a laptop's apps use side by side. */
const MAX_IDLE_CONNECTIONS = 32;
const KEPT = { keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS, noDelay: true };

/** Answers of status 1xx before the one that counts; honest servers send one or two. */
const MAX_HINTS = 32;

/** The code of errors of connections that we close ourselves, as nothing can come back. */
const OWN_LOSS = 'OLLANA_OWN_ADDRESS_LOST';

/**
 * http-proxy calls `util._extend`, which warns (DEP0060) on Node >= 22; while it loads it is given the function
 * that `_extend` was an early form of.
 */
function loadHttpProxy(): typeof Server {
  const holder = util as unknown as { _extend: unknown };
  const original = holder._extend;
  holder._extend = Object.assign;
  try {
    return createRequire(import.meta.url)('http-proxy') as typeof Server;
  } finally {
    holder._extend = original;
  }
}

/** What http-proxy is given as the body where the body waits for the connection. */
const PIPED_LATER = { pipe: () => {} } as unknown as Readable;

/** What http-proxy takes for the incoming request: only what it reads. */
class Outgoing extends Readable {
  readonly method: string;
  readonly url: string;
  readonly headers: OutgoingHttpHeaders;
  /** http-proxy drops a reset without a word when this says `destroyed`; here every failure is told. */
  readonly socket = { destroyed: false };
  readonly onRequest: (request: ClientRequest) => void;
  readonly onAnswer: (response: IncomingMessage) => void;
  #body: Buffer | undefined;

  constructor(dispatch: Dispatch, on: { request(r: ClientRequest): void; answer(r: IncomingMessage): void }) {
    super();
    this.method = dispatch.method;
    this.url = dispatch.target;
    this.headers = dispatch.headers;
    this.onRequest = on.request;
    this.onAnswer = on.answer;
    this.#body = dispatch.body instanceof Buffer ? dispatch.body : undefined;
  }

  override _read(): void {
    if (this.#body?.length) this.push(this.#body);
    this.#body = undefined;
    this.push(null);
  }
}

/** Whether a connection ended because this machine lost the address that it had there; see `closeLost`. */
export function isOwnLoss(error: Error | null | undefined): boolean {
  return (error as NodeJS.ErrnoException | null | undefined)?.code === OWN_LOSS;
}

/** Sends requests to servers over kept-alive connections. The only user of http-proxy. */
export class Transport implements Disposable {
  /** Keeps connections. */
  readonly agent: PathAgent;
  /** Makes each connection anew. */
  readonly fresh: PathAgent;
  readonly #proxy: Server;
  readonly #clock: Clock;
  readonly #connectTimeoutMs: number;

  constructor(options: { clock: Clock; connectTimeoutMs: number; dialer?: DialPlan }) {
    const { dialer = PLAIN } = options;
    this.agent = new PathAgent(KEPT, dialer);
    // Not `keepAlive: false`: that says "Connection: close", and a server that answers before the end of an upload
    // would then close at once and lose its answer.
    this.fresh = Object.assign(new PathAgent(KEPT, dialer), { keepSocketAlive: () => false });
    this.#clock = options.clock;
    this.#connectTimeoutMs = options.connectTimeoutMs;
    this.#proxy = loadHttpProxy().createProxyServer({});
    this.#proxy.on('proxyReq', (request, outgoing) => (outgoing as unknown as Outgoing).onRequest(request));
    this.#proxy.on('proxyRes', (response, outgoing) => (outgoing as unknown as Outgoing).onAnswer(response));
  }

  /** Starts a request. `arrival` never rejects; after `answered`, errors show on the response itself. */
  send(dispatch: Dispatch): Sending {
    let request: ClientRequest | undefined;
    let connected = false;
    let killed: Error | undefined;
    const { url, fresh } = dispatch;
    // Asked now: http-proxy writes into these headers.
    const { 'content-length': length } = dispatch.headers;
    let stopDial: Cancel = () => {};
    const destroy = (reason: Error) => {
      killed ??= reason;
      request?.destroy(reason);
    };
    const clientGone = () => {
      if (!dispatch.client.writableFinished) destroy(new Error('the client left'));
    };
    dispatch.client.once('close', clientGone);

    const arrival = new Promise<Arrival>((resolve) => {
      const outgoing = new Outgoing(dispatch, {
        request: (made) => {
          request = made;
          const base = addressOf(url);
          // http-proxy folds double slashes and re-encodes; the path is the client's, to the byte.
          if (!made.headersSent) {
            made.path = base.path.replace(/\/$/, '') + dispatch.target;
            if (typeof dispatch.body === 'function') frame(made, length);
          }
          watchHead(made, destroy, failed);
          if (killed) return void made.destroy(killed);
          const up = () => {
            stopDial();
            // Whoever is there may have been refused by its certificate; the error follows.
            if (made.socket?.destroyed) return;
            connected = true;
            if (typeof dispatch.body === 'function') dispatch.body().pipe(made);
          };
          if (!made.socket?.connecting) return up();
          made.socket.once(readyEvent(made.socket), up);
          stopDial = this.#clock.after(this.#connectTimeoutMs, () =>
            destroy(new Error(`no connection within ${this.#connectTimeoutMs} ms`)),
          );
        },
        answer: (response) => {
          // http-proxy waits for 'end'; a connection that dies in mid-answer only has 'close'.
          response.once('close', () => dispatch.client.removeListener('close', clientGone));
          response.on('error', () => {}); // Told to whoever reads the response; must not be fatal meanwhile.
          const fault = answerFault(response);
          if (fault !== undefined) {
            response.destroy();
            return failed(new Error(fault));
          }
          restoreType(response, dispatch);
          resolve({ stage: 'answered', response });
        },
      });
      const failed = (error: Error) => {
        stopDial();
        dispatch.client.removeListener('close', clientGone);
        const reused = request?.reusedSocket === true;
        resolve({ stage: connected ? 'sent' : 'dial', error: killed ?? error, reused });
      };
      this.#proxy.web(
        outgoing as unknown as IncomingMessage,
        dispatch.client,
        {
          target: targetOf(url),
          agent: fresh ? this.fresh : this.agent,
          selfHandleResponse: true,
          toProxy: true,
          ...(typeof dispatch.body === 'function' && { buffer: PIPED_LATER }),
        },
        failed,
      );
      if (dispatch.client.destroyed) clientGone();
    });
    return { arrival, destroy };
  }

  /**
   * Closes connections whose own address this machine has lost, as nothing comes back on them: those that are idle, or
   * those in use, too.
   */
  closeLost(which: 'idle' | 'all', isOurs: (address: string) => boolean): void {
    const lists = [this.agent, this.fresh].flatMap((agent) => [
      agent.freeSockets,
      ...(which === 'all' ? [agent.sockets] : []),
    ]);
    for (const socket of lists.flatMap((list) => Object.values(list).flatMap((sockets) => sockets ?? []))) {
      const { localAddress } = socket;
      // One that still dials has a limit of its own.
      if (localAddress === undefined || isLoopbackHost(localAddress) || isOurs(localAddress)) continue;
      const lost = new Error(`this machine has lost its address ${localAddress}`);
      socket.destroy(Object.assign(lost, { code: OWN_LOSS }));
    }
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
    this.fresh.destroy();
  }
}

/**
 * Says how long a body is that streams. Node does so itself, but for methods that have seldom one, and http-proxy says 0
 * of some: the server would take such a body for its next request.
 */
function frame(made: ClientRequest, length: OutgoingHttpHeaders[string]): void {
  if (length !== undefined) return void made.setHeader('content-length', length);
  made.removeHeader('content-length');
  made.setHeader('transfer-encoding', 'chunked');
}

/** Ends what a server may send instead of an answer: another protocol, and early hints without end. */
function watchHead(made: ClientRequest, destroy: (why: Error) => void, failed: (why: Error) => void): void {
  let hints = 0;
  made.on('information', () => {
    hints += 1;
    if (hints > MAX_HINTS) destroy(new Error(`it sends more than ${MAX_HINTS} answers that are none (1xx)`));
  });
  // Without a listener Node ends the connection, and tells nobody.
  made.once('upgrade', (_response, socket: Socket) => {
    socket.destroy();
    failed(new Error('it speaks another protocol (101)'));
  });
}

function targetOf(url: string): { protocol: string; host: string; hostname: string; port: string } {
  const { protocol, hostname, port } = addressOf(url);
  return { protocol, host: hostname, hostname, port };
}
