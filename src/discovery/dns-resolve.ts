import { randomInt } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Clock } from '../clock.ts';
import type { ResolverAddress } from '../config/discover.ts';
import { reasonOf } from '../errors.ts';
import { askOverTcp } from './dns-tcp.ts';
import { askOverUdp } from './dns-udp.ts';
import { type DnsAnswer, type DnsQuestion, encodeQuestion, readAnswer } from './dns-wire.ts';

export interface AskingOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Asks one question. Rejects, saying why for each resolver, when none of them can answer. */
export type Ask = (question: DnsQuestion) => Promise<DnsAnswer>;

/** Time for the first datagram and for a second one, ms: a LAN answers in 1, a resolver that asks others in 500. */
const UDP_TIMEOUTS_MS = [1000, 2000];
const TCP_TIMEOUT_MS = 3000;

/** As many as a resolv.conf may name: who cannot be asked at three places is offline. */
const MAX_RESOLVERS = 3;

/** What an answer by UDP is never longer than where nothing else was agreed upon (RFC 1035). */
const CLASSIC_BYTES = 512;

const NO_ERROR = 0;
const FORMAT_ERROR = 1;
const NO_SUCH_NAME = 3;
const NOT_IMPLEMENTED = 4;
/** What the other codes mean that resolvers send (RFC 1035). */
const CODES: Readonly<Record<number, string>> = { 2: 'it failed (SERVFAIL)', 5: 'it refuses (REFUSED)' };

/** Asks resolvers in their order, and begins with the one that answered last. */
export function asking(resolvers: readonly ResolverAddress[], options: AskingOptions): Ask {
  const order = resolvers.slice(0, MAX_RESOLVERS);
  return async (question) => {
    const reasons: string[] = [];
    for (const resolver of [...order]) {
      try {
        const answer = await askOne(resolver, question, options);
        if (order[0] !== resolver) order.sort((a, b) => Number(b === resolver) - Number(a === resolver));
        return answer;
      } catch (error) {
        if (options.signal.aborted) throw error;
        reasons.push(`${resolver.address} port ${resolver.port}: ${reasonOf(error)}`);
      }
    }
    throw new Error(reasons.join('; ') || 'this machine has no DNS resolver');
  };
}

async function askOne(
  to: ResolverAddress,
  question: DnsQuestion,
  options: AskingOptions,
): Promise<DnsAnswer> {
  const answer = await askBoth(to, question, options);
  if (answer.code === NO_ERROR || answer.code === NO_SUCH_NAME) return answer;
  throw new Error(CODES[answer.code] ?? `it answers with code ${answer.code}`);
}

/** By UDP, and over TCP what does not fit or is not understood. */
async function askBoth(
  to: ResolverAddress,
  question: DnsQuestion,
  options: AskingOptions,
): Promise<DnsAnswer> {
  // Every resolver has to speak TCP as well (RFC 7766), and our datagrams are IPv4.
  if (isIPv6(to.address)) return byTcp(to, question, options);
  const { answer, length } = await byUdp(to, question, options);
  const { code, truncated } = answer;
  if (truncated || code === FORMAT_ERROR || code === NOT_IMPLEMENTED) return byTcp(to, question, options);
  if (!mayBeCut(length)) return answer;
  return byTcp(to, question, options).catch(() => answer);
}

/**
 * Whether an answer by UDP may lack records without saying so. Consul leaves out what does not fit and sets no
 * truncation bit unless told to (`enable_truncate`); which records are left out changes with every answer, and servers
 * would come and go. What it cuts is longer than this once it has been compressed. Pure.
 */
function mayBeCut(length: number): boolean {
  return length > CLASSIC_BYTES;
}

async function byUdp(to: ResolverAddress, question: DnsQuestion, options: AskingOptions) {
  let failure: unknown;
  for (const timeoutMs of UDP_TIMEOUTS_MS) {
    try {
      // A new id and port for each: a forger who has seen nothing has to guess anew.
      return await askOverUdp({ to, id: randomId(), question, timeoutMs, ...options });
    } catch (error) {
      if (options.signal.aborted) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function byTcp(to: ResolverAddress, question: DnsQuestion, options: AskingOptions): Promise<DnsAnswer> {
  const id = randomId();
  const message = encodeQuestion(id, question, 'tcp');
  const bytes = await askOverTcp({ to, message, timeoutMs: TCP_TIMEOUT_MS, ...options });
  const answer = readAnswer(bytes, id, question);
  if (answer) return answer;
  throw new Error('its answer over TCP makes no sense');
}

const randomId = () => randomInt(0x1_0000);
