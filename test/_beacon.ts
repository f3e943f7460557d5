import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { Cancel, Clock } from '../src/clock.ts';
import type { Sighting } from '../src/discovery/sighting.ts';
import { until } from './_deadline.ts';

/** A clock that stands still until `advance`; a sleep of the machine is `jumpWall`. */
export class ManualClock implements Clock {
  #now = 1000;
  #wallOffset = 1_700_000_000_000;
  #timers = new Set<{ at: number; fn: () => void }>();

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.#wallOffset;
  }

  after(ms: number, fn: () => void): Cancel {
    const timer = { at: this.#now + ms, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  every(ms: number, fn: () => void): Cancel {
    let cancel = this.after(ms, tick);
    const self = this;
    function tick(): void {
      cancel = self.after(ms, tick);
      fn();
    }
    return () => cancel();
  }

  /** Lets time pass, timer by timer in their order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
    }
    this.#now = end;
  }

  jumpWall(ms: number): void {
    this.#wallOffset += ms;
  }

  /** Timers not yet due; 0 after everything was disposed. */
  get pending(): number {
    return this.#timers.size;
  }
}

/** The name of the loopback interface: tests speak on no other. */
export const LOOPBACK =
  Object.entries(networkInterfaces()).find(([, infos]) => infos?.some(({ internal }) => internal))?.[0] ??
  'lo';

export interface RawSocket extends AsyncDisposable {
  readonly port: number;
  /** Hex of what arrived, with its sender, oldest first. */
  readonly heard: {
    readonly hex: string;
    readonly from: string;
    readonly fromPort: number;
    readonly at: number;
  }[];
  send(hex: string, port: number, address: string): Promise<void>;
  onMessage(listener: (hex: string, from: { address: string; port: number }) => void): void;
}

/** A plain socket, as any other program on the LAN has. */
export async function rawSocket(
  port = 0,
  options: { address?: string; reuseAddr?: boolean } = {},
): Promise<RawSocket> {
  const socket = await openSocket(port, options);
  const heard: RawSocket['heard'] = [];
  socket.on('message', (bytes, from) =>
    heard.push({
      hex: bytes.toString('hex'),
      from: from.address,
      fromPort: from.port,
      at: performance.now(),
    }),
  );
  return {
    port: socket.address().port,
    heard,
    send: (hex, to, address) =>
      new Promise((resolve, reject) =>
        socket.send(Buffer.from(hex, 'hex'), to, address, (error) => (error ? reject(error) : resolve())),
      ),
    onMessage: (listener) =>
      void socket.on('message', (bytes, from) => listener(bytes.toString('hex'), from)),
    [Symbol.asyncDispose]: () => close(socket),
  };
}

/** What a discovery source reported, to be awaited. */
export class Sightings {
  readonly all: (Sighting & { readonly at: number })[] = [];
  readonly add = (sighting: Sighting): void => void this.all.push({ ...sighting, at: performance.now() });

  get urls(): readonly string[] {
    return [...new Set(this.all.map(({ url }) => url))].sort();
  }

  waitFor(wanted: (sighting: Sighting) => boolean, ms = 5000): Promise<Sighting & { readonly at: number }> {
    return until(ms, 'a sighting as wanted', () => this.all.find(wanted), 2);
  }
}

/** A device id of one repeated hex digit. */
export const deviceId = (digit: string): string => digit.repeat(64);

async function openSocket(
  port: number,
  { address = '127.0.0.1', reuseAddr = false }: { address?: string; reuseAddr?: boolean },
): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, resolve);
  });
  socket.setBroadcast(true);
  return socket;
}

function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
