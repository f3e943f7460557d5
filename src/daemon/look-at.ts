import type { Clock } from '../clock.ts';
import { type ErrorCode, OllanaError, reasonOf } from '../errors.ts';
import type { Identity } from '../fleet/identify.ts';
import { introduce } from '../fleet/introduce.ts';
import { emptyKnowledge } from '../fleet/knowledge.ts';
import { look } from '../fleet/probe.ts';
import type { ShownTo } from '../fleet/rust-server.ts';
import { Dialer } from '../security/dialer.ts';
import { PathAgent } from '../security/path-agent.ts';
import type { ShownIds } from '../security/shown-id.ts';

/** An address that somebody claims, and what answers there. */
export interface HeardServer {
  /** Base URL. */
  readonly url: string;
  /** What it calls itself, else what a source calls it: another machine's words, not cleaned for a terminal. */
  readonly name: string | null;
  readonly deviceId: string | null;
  readonly kind: Identity['kind'] | null;
  /** Who claims it now: `udp`, `mdns`, `static`, `file`, `dns`. */
  readonly sources: readonly string[];
  /** The interface on whose network the address is; null behind a router, and for a name. */
  readonly interface: string | null;
  /** The address is this machine's. */
  readonly here: boolean;
  /** From the start of listening to the first word of it, ms. */
  readonly heardAfterMs: number;
  /** Of one small request over a fresh connection, the shorter of two, ms. */
  readonly latencyMs: number | null;
  /** `asking`: nothing is known of it yet. */
  readonly state: Seen['state'];
  /** Why it is rejected, for programs and for people. */
  readonly code: ErrorCode | null;
  readonly reason: string | null;
}

/** What a look at an address came to. */
export interface Seen {
  readonly state: 'asking' | 'usable' | 'rejected';
  readonly identity?: Identity;
  readonly latencyMs?: number;
  readonly code?: ErrorCode;
  readonly reason?: string;
}

/** Whoever takes longer to say who it is has its GPU machine swapping; a daemon would wait longer, people do not, ms. */
const IDENTIFY_LIMIT_MS = 3000;

export interface LookAtOptions {
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** How others are dialled; absent: all of them are trusted. */
  readonly dialer?: Dialer | undefined;
  readonly signal: AbortSignal;
  /** See `MeetOptions.shownIds`. */
  readonly shownIds?: ShownIds | undefined;
}

/** Asks an address who is there and how far away. Never rejects; after an abort the answer means nothing. */
export async function lookAt(
  url: string,
  { clock, connectTimeoutMs, dialer = new Dialer(), signal, shownIds }: LookAtOptions,
): Promise<Seen & { readonly state: 'usable' | 'rejected' }> {
  let identity: Identity | undefined;
  const agent = new PathAgent({ keepAlive: false }, dialer);
  try {
    const limits = { connectTimeoutMs, timeoutMs: IDENTIFY_LIMIT_MS };
    identity = await introduce(url, { dialer, agent, clock, signal, shownIds, ...limits });
    const { shownId } = identity;
    // The first one also pays for what this process does for the first time; the shorter of two is the way's.
    const first = await latencyOf({ url, shownId }, clock, agent, signal);
    const latencyMs = Math.min(first, await latencyOf({ url, shownId }, clock, agent, signal));
    return { state: 'usable', identity, latencyMs };
  } catch (error) {
    const code = error instanceof OllanaError ? error.code : 'OLLANA_UPSTREAM_FAILED';
    const isAlone = identity?.kind === 'ollana' && code === 'OLLANA_UPSTREAM_FAILED';
    const reason = `${reasonOf(error)}${isAlone ? '; is the Ollama behind it running?' : ''}`;
    return { state: 'rejected', ...(identity && { identity }), code, reason };
  }
}

async function latencyOf(
  server: ShownTo,
  clock: Clock,
  agent: PathAgent,
  signal: AbortSignal,
): Promise<number> {
  const knowledge = emptyKnowledge();
  await look(server, knowledge, clock, agent, signal);
  return knowledge.latencyMs ?? Number.POSITIVE_INFINITY;
}

/** How many servers can be used: devices, however many addresses each is heard at. Pure. */
export function usableServers(servers: readonly HeardServer[]): number {
  return new Set(servers.flatMap(({ state, deviceId }) => (state === 'usable' ? [deviceId] : []))).size;
}
