import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { type Answer, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';

/** What a name server says to a question; more than the packet's own fields only where a test needs it. */
export interface Said {
  readonly answers?: readonly Answer[];
  readonly additionals?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  /** Response code, 0 unless given. */
  readonly code?: number;
  readonly truncated?: boolean;
}

export interface Query {
  readonly name: string;
  readonly type: string;
  readonly id: number;
  readonly over: 'udp' | 'tcp';
  /** The sender's port. */
  readonly port: number;
}

export interface NameServer extends AsyncDisposable {
  readonly port: number;
  /** Every question that came, oldest first. */
  readonly asked: Query[];
  /** What it says from now on; undefined = silence, a buffer goes out as it is. */
  say: (query: Query) => Said | Buffer | undefined;
  /** Sends any datagram from its own port. */
  send(bytes: Buffer, port: number): Promise<void>;
}

/** The message by which a name server answers. */
export function message(query: Pick<Query, 'id' | 'name' | 'type'>, said: Said): Buffer {
  const { code = 0, truncated = false, answers = [], additionals = [], authorities = [] } = said;
  return encode({
    type: 'response',
    id: query.id,
    flags: 0x0180 | code | (truncated ? TRUNCATED_RESPONSE : 0),
    questions: [{ name: query.name, type: query.type as 'SRV' }],
    answers: [...answers],
    additionals: [...additionals],
    authorities: [...authorities],
  } satisfies Packet);
}

/** A name server on a free port: on 127.0.0.1 by UDP and TCP, on `::1` by TCP. It sends over TCP byte by byte at first. */
export async function nameServer(
  say: NameServer['say'] = () => ({ code: 3 }),
  address: '127.0.0.1' | '::1' = '127.0.0.1',
): Promise<NameServer> {
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    socket.on('data', (bytes) => {
      const out = hear(bytes.subarray(2), 'tcp', socket.remotePort ?? 0);
      if (!out) return;
      socket.setNoDelay(true);
      const framed = Buffer.concat([Buffer.from([out.length >> 8, out.length & 255]), out]);
      for (const byte of framed.subarray(0, 5)) socket.write(Buffer.from([byte]));
      setImmediate(() => socket.write(framed.subarray(5)));
    });
  });
  await new Promise<void>((resolve) => tcp.listen(0, address, resolve));
  const { port } = tcp.address() as { port: number };
  const udp = createSocket('udp4');
  udp.on('message', (bytes, from) => {
    const out = hear(bytes, 'udp', from.port);
    if (out) udp.send(out, from.port, from.address);
  });
  await new Promise<void>((resolve) => udp.bind(port, '127.0.0.1', resolve));
  const hear = (bytes: Buffer, over: Query['over'], from: number) => {
    const packet = decode(bytes);
    const { name, type } = packet.questions?.[0] ?? { name: '?', type: '?' };
    const query = { name, type, id: packet.id ?? 0, over, port: from };
    server.asked.push(query);
    const said = server.say(query);
    return said && (Buffer.isBuffer(said) ? said : message(query, said));
  };
  const server: NameServer = {
    port,
    asked: [],
    say,
    send: (bytes, to) => new Promise((resolve) => udp.send(bytes, to, '127.0.0.1', () => resolve())),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => tcp.close(resolve));
      await new Promise<void>((resolve) => udp.close(resolve));
    },
  };
  return server;
}

export const srv = (name: string, target: string, port: number, priority = 0, ttl = 60): Answer => ({
  type: 'SRV',
  name,
  ttl,
  data: { priority, weight: 1, port, target },
});
export const a = (name: string, address: string, ttl = 60): Answer => ({
  type: 'A',
  name,
  ttl,
  data: address,
});
export const aaaa = (name: string, address: string, ttl = 60): Answer => ({
  type: 'AAAA',
  name,
  ttl,
  data: address,
});
export const cname = (name: string, target: string, ttl = 60): Answer => ({
  type: 'CNAME',
  name,
  ttl,
  data: target,
});
export const soa = (name: string, ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name,
  ttl,
  data: { mname: 'ns', rname: 'root', minimum },
});
