import { createSocket } from 'node:dgram';
import type { NetworkInterfaceInfo } from 'node:os';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import type { Interfaces } from '../src/discovery/interfaces.ts';

export const GROUP = '224.0.0.251';

export interface ServerRecords {
  readonly label?: string;
  readonly service?: 'ollana' | 'ollama';
  readonly port?: number;
  readonly host?: string;
  readonly addresses?: readonly string[];
  readonly text?: readonly string[];
  readonly ttl?: number;
}

/** What a server says of itself: pointer, place, text and addresses, as a responder sends them. */
export function recordsOf(server: ServerRecords = {}): readonly [Answer, Answer, Answer, ...Answer[]] {
  const { label = 'gpu1', service = 'ollana', port = 11500, host = 'ollana-aa.local', ttl = 120 } = server;
  const { addresses = ['127.0.0.1'], text = [`id=${'a'.repeat(64)}`, 'version=1.0.0', 'name=GPU 1'] } =
    server;
  const type = `_${service}._tcp.local`;
  const name = `${label}.${type}`;
  return [
    { type: 'PTR', name: type, ttl, data: name },
    { type: 'SRV', name, ttl, flush: true, data: { port, target: host, priority: 0, weight: 0 } },
    { type: 'TXT', name, ttl, flush: true, data: [...text] },
    ...addresses.map(
      (data) => ({ type: data.includes(':') ? 'AAAA' : 'A', name: host, ttl, data }) as Answer,
    ),
  ];
}

/** A response as bytes; the first record is the answer, the others are additional, as with a browsing question. */
export function responseOf([first, ...others]: readonly Answer[]): Buffer {
  return dnsPacket.encode({
    type: 'response',
    flags: dnsPacket.AUTHORITATIVE_ANSWER,
    answers: first ? [first] : [],
    additionals: others,
  });
}

export const decode = (bytes: Buffer): Packet => dnsPacket.decode(bytes);

export interface Peer extends AsyncDisposable {
  /** Questions heard, as `TYPE name`, oldest first. */
  readonly asked: string[];
  /** How many packets came, ours among them. */
  readonly heard: () => number;
  /** Multicasts on loopback and nowhere else, from the port that mDNS demands. */
  send(bytes: Buffer): Promise<void>;
  /** From any other port. */
  sendFromElsewhere(bytes: Buffer): Promise<void>;
}

/** Another program that speaks mDNS on this machine's loopback. */
export async function peer(port: number): Promise<Peer> {
  const asked: string[] = [];
  let heard = 0;
  const [socket, other] = [
    createSocket({ type: 'udp4', reuseAddr: true }),
    createSocket({ type: 'udp4', reuseAddr: true }),
  ];
  socket.on('message', (bytes) => {
    heard++;
    // Not what a test sends to be misread: decoding that is slow.
    if (bytes.length < 12 || bytes.readUInt32BE(0) !== 0 || bytes.readUInt16BE(4) > 4) return;
    try {
      for (const { type, name } of decode(bytes).questions ?? []) asked.push(`${type} ${name}`);
    } catch {
      // A test sent garbage.
    }
  });
  await new Promise<void>((resolve) => socket.bind({ port, address: '0.0.0.0' }, resolve));
  await new Promise<void>((resolve) => other.bind({ port: 0, address: '127.0.0.1' }, resolve));
  socket.addMembership(GROUP, '127.0.0.1');
  for (const each of [socket, other]) each.setMulticastInterface('127.0.0.1');
  const by = (from: typeof socket) => (bytes: Buffer) =>
    new Promise<void>((resolve, reject) =>
      from.send(bytes, port, GROUP, (error) => (error ? reject(error) : resolve())),
    );
  return {
    asked,
    heard: () => heard,
    send: by(socket),
    sendFromElsewhere: by(other),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(
        [socket, other].map((each) => new Promise<void>((resolve) => each.close(() => resolve()))),
      );
    },
  };
}

/** One address as `os.networkInterfaces()` lists it: `10.0.0.5/24`, `fd00::1/64`, `fe80::1/64`. */
export function info(cidr: string, scopeid = 0): NetworkInterfaceInfo {
  const [address = '', bits] = cidr.split('/');
  const common = { address, cidr, mac: '00:00:00:00:00:00' };
  const internal = address.startsWith('127.') || address === '::1';
  if (address.includes(':')) return { ...common, internal, family: 'IPv6', netmask: '', scopeid };
  // A shift by 32 is none.
  const mask = Number(bits) === 0 ? 0 : (0xffffffff << (32 - Number(bits))) >>> 0;
  const netmask = [24, 16, 8, 0].map((shift) => (mask >>> shift) & 255).join('.');
  return { ...common, internal, family: 'IPv4', netmask };
}

/** A machine on one network of both families, and loopback. */
export const HOME: Interfaces = {
  lo: [info('127.0.0.1/8'), info('::1/128')],
  eth0: [info('10.0.0.5/24'), info('fd00:1::5/64'), info('fe80::5/64', 2)],
};
