import { spawnSync } from 'node:child_process';
import { until } from '../_deadline.ts';
import type { TestProcess } from '../_process.ts';

export interface Packet {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly protocol: 'udp' | 'tcp' | 'other';
  readonly src: string;
  readonly sport: number;
  readonly dst: string;
  readonly dport: number;
  readonly payload: Buffer;
}

/** Why packets cannot be captured here, or `undefined` when they can. */
export function captureUnavailable(): string | undefined {
  // tcpdump gives up its rights by changing its user, which it cannot as a mapped root in a user namespace.
  if (process.getuid?.() !== 0) return 'packet captures need root';
  if (spawnSync('tcpdump', ['--version'], { stdio: 'ignore' }).status === 0) return undefined;
  return 'packet captures need tcpdump (Debian: apt-get install tcpdump)';
}

/** A running tcpdump and the packets it has seen. */
export class Capture implements AsyncDisposable {
  readonly packets: Packet[] = [];
  readonly #process: TestProcess;

  private constructor(process: TestProcess) {
    this.#process = process;
  }

  /** Resolves once every further packet is seen. `start` starts tcpdump with these arguments in the right place. */
  static async start(
    start: (command: string, args: readonly string[]) => TestProcess,
    options: { readonly interface: string; readonly filter: string },
  ): Promise<Capture> {
    // -U and immediate mode: a packet is here when it was seen, not when a buffer is full. -Z root: as another
    // user it would outlive a killed test runner.
    const flags = [
      '-i',
      options.interface,
      '-n',
      '-U',
      '--immediate-mode',
      '-s',
      '0',
      '-Z',
      'root',
      '-w',
      '-',
    ];
    const process = start('tcpdump', [...flags, ...options.filter.split(' ').filter((word) => word !== '')]);
    const capture = new Capture(process);
    process.child.stdout?.setEncoding('latin1');
    let pending: Buffer = Buffer.alloc(0);
    let header: FileHeader | undefined;
    process.child.stdout?.on('data', (text: string) => {
      pending = Buffer.concat([pending, Buffer.from(text, 'latin1')]);
      if (header === undefined && pending.length >= 24) {
        header = fileHeader(pending);
        pending = pending.subarray(24);
      }
      while (header !== undefined && pending.length >= 16) {
        const length = 16 + pending.readUInt32LE(8);
        if (pending.length < length) break;
        const packet = decode(header, pending.subarray(0, length));
        if (packet !== undefined) capture.packets.push(packet);
        pending = pending.subarray(length);
      }
    });
    try {
      await process.waitFor(/listening on/);
      await until(5_000, 'the header of the capture', () => header !== undefined);
    } catch (error) {
      await capture.stop();
      throw error;
    }
    return capture;
  }

  /** The first packet that `wanted` accepts, seen already or within `ms` milliseconds. */
  waitFor(wanted: (packet: Packet) => boolean, ms = 10_000): Promise<Packet> {
    return until(ms, 'a packet as wanted', () => this.packets.find(wanted));
  }

  /** Ends the capture; `packets` stays as it is. */
  async stop(): Promise<void> {
    await this.#process.stop('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

interface FileHeader {
  readonly ticksPerMs: number;
  /** Bytes before the network header, by the capture's link type. */
  readonly linkBytes: number;
}

/** pcap's magic numbers for microsecond and nanosecond times, and its numbers of link types with their lengths. */
const MICROSECONDS = 0xa1b2c3d4;
const LINK_BYTES = new Map([
  [1, 14], // Ethernet
  [113, 16], // Linux "any"
  [276, 20], // Linux "any", second version
]);

function fileHeader(bytes: Buffer): FileHeader {
  const linkType = bytes.readUInt32LE(20);
  const linkBytes = LINK_BYTES.get(linkType);
  if (linkBytes === undefined)
    throw new Error(`tcpdump wrote link type ${linkType}, which the tests do not know`);
  return { ticksPerMs: bytes.readUInt32LE(0) === MICROSECONDS ? 1e3 : 1e6, linkBytes };
}

/** One pcap record as a packet; `undefined` for what is neither IPv4 nor IPv6 (ARP, say). */
function decode(header: FileHeader, record: Buffer): Packet | undefined {
  const time = record.readUInt32LE(0) * 1000 + record.readUInt32LE(4) / header.ticksPerMs;
  const network = record.subarray(16 + header.linkBytes);
  const version = (network[0] ?? 0) >> 4;
  if (version !== 4 && version !== 6) return undefined;
  const four = version === 4;
  const transport = network.subarray(four ? (network.readUInt8(0) & 15) * 4 : 40);
  const number = network.readUInt8(four ? 9 : 6);
  const protocol = number === 17 ? 'udp' : number === 6 ? 'tcp' : 'other';
  const payloadAt = protocol === 'udp' ? 8 : protocol === 'tcp' ? (transport.readUInt8(12) >> 4) * 4 : 0;
  // A short Ethernet frame is padded: the lengths inside say where the payload ends.
  const end = four ? network.readUInt16BE(2) - (network.readUInt8(0) & 15) * 4 : network.readUInt16BE(4);
  const ports = protocol === 'other' ? [0, 0] : [transport.readUInt16BE(0), transport.readUInt16BE(2)];
  return {
    time,
    protocol,
    src: address(network.subarray(four ? 12 : 8, four ? 16 : 24)),
    sport: ports[0] ?? 0,
    dst: address(network.subarray(four ? 16 : 24, four ? 20 : 40)),
    dport: ports[1] ?? 0,
    payload: Buffer.from(transport.subarray(payloadAt, end)),
  };
}

function address(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return bytes.toString('hex').match(/.{4}/g)?.join(':') ?? '';
}
