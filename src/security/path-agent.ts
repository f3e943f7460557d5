import http, { type AgentOptions, type ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { unbracketed } from '../config/host.ts';
import { OllanaError } from '../errors.ts';
import { boundAnswer } from './answer-limits.ts';
import { type Dial, type DialPlan, dialByAuthority, dialTls, PLAIN } from './dial.ts';

const AUTHORITY: Dial = { type: 'authority' };

/** What http.Agent hands from step to step for one connection. */
interface PathOptions {
  readonly host?: string;
  readonly port?: number;
  readonly servername?: string;
  readonly dial?: Dial;
}

/** What Node calls and its types leave out. */
interface AgentSteps {
  addRequest(request: ClientRequest, options: PathOptions): void;
  createConnection(options: PathOptions, done: () => void): Socket;
  getName(options?: PathOptions): string;
}

const HTTP_AGENT = http.Agent.prototype as unknown as AgentSteps;

/**
 * Connections for every URL: `https:` by authority, `http:` as the plan says. What is asked over TLS this way is HTTP
 * as ever: who uses the agent need not know. How a request goes is decided once, before it has a connection, and no
 * byte of it leaves before the other side's certificate has been judged.
 */
export class PathAgent extends http.Agent {
  /** http.Agent would refuse all others. */
  readonly protocol = undefined;
  readonly #plan: DialPlan;

  constructor(options: AgentOptions, plan: DialPlan) {
    super(options);
    this.#plan = plan;
  }

  /** See `DialPlan.closed`. */
  get closed(): boolean {
    return this.#plan.closed;
  }

  /** Called by Node for every request, before its headers are written. */
  addRequest(request: ClientRequest, options: PathOptions): void {
    const dial =
      request.protocol === 'https:' ? AUTHORITY : this.#plan.dial(hostIn(options), portIn(options));
    const headers = dial.type === 'tls' ? Object.entries(dial.headers ?? {}) : [];
    for (const [name, value] of headers) request.setHeader(name, value);
    boundAnswer(request, (limit) =>
      this.#plan.onLimit?.({ type: 'limit-reached', limit, peer: hostIn(options) }),
    );
    HTTP_AGENT.addRequest.call(this, request, { ...options, dial });
  }

  /** Which kept connections may stand in for one another. */
  override getName(options: PathOptions = {}): string {
    const { dial } = options;
    const to = dial?.type === 'tls' ? (dial.to ?? '') : '';
    return `${HTTP_AGENT.getName.call(this, options)} ${dial?.type} ${to}`;
  }

  // Called by http.Agent for every new connection.
  override createConnection(options: PathOptions, done: () => void): Socket {
    const [host, port] = [hostIn(options), portIn(options)];
    const dial = options.dial ?? this.#plan.dial(host, port);
    if (dial.type === 'authority') return dialByAuthority(host, port, options.servername ?? '');
    const socket =
      dial.type === 'tls' ? dialTls(host, port, dial) : HTTP_AGENT.createConnection.call(this, options, done);
    this.#plan.onSocket(socket, host, port);
    return socket;
  }
}

function hostIn({ host = 'localhost' }: PathOptions): string {
  return unbracketed(host);
}

function portIn({ port = 80 }: PathOptions): number {
  return Number(port);
}

/** An agent for one errand, which shows nothing of us: to one device, or to whoever is there by TLS. */
export function agentTo(deviceId?: string): PathAgent {
  const dial: Dial = {
    type: 'tls',
    refuses: (peer) =>
      deviceId === undefined || peer.deviceId === deviceId
        ? undefined
        : new OllanaError('OLLANA_DIAL_FAILED', 'another device answers there now'),
  };
  return new PathAgent({ keepAlive: false }, { ...PLAIN, dial: () => dial });
}
