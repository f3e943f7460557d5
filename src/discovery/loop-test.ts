import type { Cancel, Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { LIMITED_BROADCAST, type Link } from './interfaces.ts';
import { UdpSocket } from './udp.ts';

/** How an interface was heard by this machine itself. */
export interface LoopResult {
  readonly interface: string;
  readonly address: string;
  readonly way: 'broadcast' | 'multicast';
  readonly heard: boolean;
  /** Why nothing could be sent or listened to. */
  readonly reason?: string;
}

export interface LoopTestOptions {
  /** Where it is tried: IPv4 links. Multicast not on loopback, where nobody uses it. */
  readonly links: readonly Link[];
  /** UDP port of discovery. */
  readonly port: number;
  /** What nobody else sends, so that what is heard is our own: 16 hex digits. */
  readonly nonce: string;
  readonly broadcast: boolean;
  readonly multicast: boolean;
  readonly clock: Clock;
}

/** An answer of this machine to itself comes within a millisecond; said again, since sending may fail once. */
const SAY_EVERY_MS = 200;
const LIMIT_MS = 1000;
const MDNS_PORT = 5353;
const MDNS_GROUP = '224.0.0.251';

/**
 * Says something by broadcast and by mDNS multicast on each link and listens whether it is heard here, as the system
 * hands such datagrams to its own sockets by the same way, firewall and all. Others ignore what is said: it has not
 * the magic, and by mDNS it asks for a name that nobody has. Takes a second at most; never rejects.
 */
export async function loopTest(options: LoopTestOptions): Promise<readonly LoopResult[]> {
  const { links, broadcast, multicast } = options;
  const spoken = links.filter(({ address }) => !address.includes(':'));
  const lan = spoken.filter(({ internal }) => !internal);
  const [one, other] = await Promise.all([
    broadcast ? listenAndSay('broadcast', spoken, options) : [],
    multicast ? listenAndSay('multicast', lan, options) : [],
  ]);
  return [...one, ...other];
}

async function listenAndSay(
  way: LoopResult['way'],
  links: readonly Link[],
  { port, nonce, clock }: LoopTestOptions,
): Promise<readonly LoopResult[]> {
  const heard = new Set<number>();
  const reasons = new Map<number, string>();
  const opened: UdpSocket[] = [];
  let allHeard: () => void = () => {};
  const done = new Promise<void>((resolve) => {
    allHeard = resolve;
  });
  const words = links.map((_, at) => wordsOf(way, `${nonce}${at}`));
  const note = (at: number, error: unknown) => {
    if (error !== undefined) reasons.set(at, reasonOf(error));
  };
  const onDatagram = (bytes: Buffer) => {
    const at = words.findIndex((word) => word.equals(bytes));
    if (at >= 0) heard.add(at);
    if (heard.size === links.length) allHeard();
  };
  const quiet = { onDatagram: () => {}, onError: () => {} };
  const cancels: Cancel[] = [];
  try {
    const joined = way === 'multicast' ? { group: MDNS_GROUP, at: links.map(({ address }) => address) } : {};
    opened.push(
      await UdpSocket.open({
        address: '0.0.0.0',
        port: way === 'multicast' ? MDNS_PORT : port,
        ...(joined.group === undefined ? {} : { joins: joined }),
        onDatagram,
        onError: () => {},
      }),
    );
    const senders = await Promise.all(
      links.map(async ({ address }, at) => {
        try {
          const socket = await UdpSocket.open({
            address,
            port: 0,
            ...(way === 'multicast' ? { speaksFrom: address } : {}),
            ...quiet,
          });
          opened.push(socket);
          return socket;
        } catch (error) {
          note(at, error);
          return undefined;
        }
      }),
    );
    const say = () => {
      for (const [at, link] of links.entries()) {
        if (heard.has(at)) continue;
        const targets =
          way === 'multicast'
            ? [{ address: MDNS_GROUP, port: MDNS_PORT }]
            : [...new Set([link.broadcast, LIMITED_BROADCAST])].map((address) => ({ address, port }));
        for (const target of targets)
          senders[at]?.send(words[at] ?? Buffer.alloc(0), target, (error) => note(at, error));
      }
    };
    if (links.length > 0) {
      say();
      cancels.push(clock.every(SAY_EVERY_MS, say), clock.after(LIMIT_MS, allHeard));
      await done;
    }
  } catch (error) {
    for (const at of links.keys()) note(at, error);
  } finally {
    for (const cancel of cancels) cancel();
    await Promise.all(opened.map((socket) => socket[Symbol.asyncDispose]()));
  }
  return links.map(({ interface: name, address }, at) => {
    const reason = reasons.get(at);
    const isHeard = heard.has(at);
    return {
      interface: name,
      address,
      way,
      heard: isHeard,
      ...(isHeard || reason === undefined ? {} : { reason }),
    };
  });
}

/** What is said: for mDNS a question for the pointer of `<word>._ollana._tcp.local` (RFC 6762 18, RFC 1035 4.1). */
function wordsOf(way: LoopResult['way'], word: string): Buffer {
  if (way === 'broadcast') return Buffer.from(`ollana doctor ${word}`);
  const head = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const labels = [word, '_ollana', '_tcp', 'local'].map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]),
  );
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 12, 0, 1])]);
}
