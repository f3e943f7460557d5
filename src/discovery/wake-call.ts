import { networkInterfaces } from 'node:os';
import type { Cancel, Clock } from '../clock.ts';
import { reasonOf } from '../errors.ts';
import { type Link, linkTo, usableLinks } from './interfaces.ts';
import type { OnNotice } from './notice.ts';
import { UdpSocket } from './udp.ts';
import { magicPacket, WAKE_PORT, type WakeCard } from './wake.ts';

export interface WakeCallOptions {
  readonly cards: readonly WakeCard[];
  /** The only interfaces to send on; empty = all. */
  readonly interfaces: readonly string[];
  readonly clock: Clock;
  readonly onNotice: OnNotice;
}

/** A packet may get lost, and a card that has just gone to sleep may not listen yet, ms after the first. */
const AGAIN_AFTER_MS = [1000, 3000];

/**
 * Sends the packet that wakes a machine, three times within 3 s for each of its cards, to all of each network that this
 * machine shares with it. Returns what ends that; sending never fails here, `onNotice` is told.
 */
export function callAwake(options: WakeCallOptions): Cancel {
  const { clock } = options;
  const send = () => void sendOnce(options);
  send();
  const cancels = AGAIN_AFTER_MS.map((ms) => clock.after(ms, send));
  return () => {
    for (const cancel of cancels) cancel();
  };
}

/** The IPv4 networks that this machine is on now, by the interfaces `only` if any are named. */
export function linksNow(only: readonly string[]): readonly Link[] {
  try {
    return usableLinks(networkInterfaces(), only);
  } catch {
    return []; // The system refuses the list (sandboxes do): nothing can be sent then.
  }
}

async function sendOnce({ cards, interfaces, onNotice }: WakeCallOptions): Promise<void> {
  const links = linksNow(interfaces);
  for (const { mac, address } of cards) {
    const link = linkTo(address, links);
    if (!link) continue;
    const fail = (error: unknown) => {
      if (error === undefined) return;
      onNotice({ type: 'send-failed', interface: link.interface, reason: reasonOf(error) });
    };
    try {
      // From the link's own address: so it leaves by that link, whatever else leads there.
      const open = { address: link.address, port: 0, onDatagram: () => {}, onError: () => {} };
      await using socket = await UdpSocket.open(open);
      socket.send(magicPacket(mac), { address: link.broadcast, port: WAKE_PORT }, fail);
    } catch (error) {
      fail(error);
    }
  }
}
