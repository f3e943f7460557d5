import type { Clock } from '../clock.ts';
import type { ResolverAddress } from '../config/discover.ts';
import {
  type DnsAnswer,
  type DnsQuestion,
  encodeQuestion,
  hasId,
  readAnswer,
  UDP_BYTES,
} from './dns-wire.ts';
import { UdpSocket } from './udp.ts';

export interface UdpAsk {
  /** IPv4. */
  readonly to: ResolverAddress;
  readonly id: number;
  readonly question: DnsQuestion;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface UdpReply {
  readonly answer: DnsAnswer;
  /** Length of the message in bytes. */
  readonly length: number;
}

/** Messages with the right id that make no sense, after which no better one is waited for. */
const MAX_NONSENSE = 8;

/**
 * Asks one resolver by one datagram from a port that the system picks at random. Only what comes from that resolver,
 * with that id and question, is an answer; anything else is dropped and the answer waited for further. Rejects when
 * none comes in `timeoutMs`, when nothing can be sent, or when `signal` aborts.
 */
export async function askOverUdp(ask: UdpAsk): Promise<UdpReply> {
  const { to, id, question, clock, signal } = ask;
  const mailbox: Mailbox = { deliver: () => {}, fail: () => {} };
  let nonsense = 0;
  await using socket = await UdpSocket.open({
    address: '0.0.0.0',
    port: 0,
    onDatagram: (bytes, from) => {
      if (from.address !== to.address || from.port !== to.port) return;
      // Longer than we said we take: not from someone who has read the question.
      if (bytes.length > UDP_BYTES || !hasId(bytes, id)) return;
      const answer = readAnswer(bytes, id, question);
      if (answer) return mailbox.deliver({ answer, length: bytes.length });
      nonsense += 1;
      if (nonsense >= MAX_NONSENSE) mailbox.fail(new Error('its answers make no sense'));
    },
    onError: (error) => mailbox.fail(error),
  });
  if (signal.aborted) throw new Error('aborted');
  let cleanUp = () => {};
  try {
    return await new Promise<UdpReply>((resolve, reject) => {
      mailbox.deliver = resolve;
      mailbox.fail = reject;
      const abort = () => reject(new Error('aborted'));
      const late = () => reject(new Error(`no answer over UDP in ${ask.timeoutMs} ms`));
      const cancel = clock.after(ask.timeoutMs, late);
      signal.addEventListener('abort', abort);
      cleanUp = () => {
        cancel();
        signal.removeEventListener('abort', abort);
      };
      socket.send(encodeQuestion(id, question, 'udp'), to, (error) => error && reject(error));
    });
  } finally {
    cleanUp();
  }
}

interface Mailbox {
  deliver: (reply: UdpReply) => void;
  fail: (error: unknown) => void;
}
