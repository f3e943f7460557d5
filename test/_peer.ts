import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import net, { type Socket } from 'node:net';
import { systemClock } from '../src/clock.ts';
import { listen } from '../src/daemon/listen.ts';
import type { LimitEvent, LimitName } from '../src/limits.ts';
import { next } from './_deadline.ts';

/** Addresses of this machine that count as other machines: its own programs come from 127.0.0.1. Linux has them all. */
export const HOSTILE = '127.0.0.3';
export const HONEST = '127.0.0.2';

/** What was refused, by what. */
export class Limits {
  readonly events: LimitEvent[] = [];
  readonly on = (event: LimitEvent): void => void this.events.push(event);

  of(limit: LimitName): readonly LimitEvent[] {
    return this.events.filter((event) => event.limit === limit);
  }
}

/** A face with limits that notes what it refuses. */
export async function startFace(handle: Parameters<typeof listen>[2], clock = systemClock) {
  const limits = new Limits();
  const face = await listen('127.0.0.1', 0, handle, { clock, onLimit: limits.on });
  return { port: face.port, limits, [Symbol.asyncDispose]: async () => face.cut() };
}

/** A connection from an address, which says nothing by itself; `said` is what came back. */
export async function connectFrom(localAddress: string, port: number): Promise<Socket & { said: string }> {
  const socket = Object.assign(net.connect({ port, host: '127.0.0.1', localAddress }), { said: '' });
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    socket.said += chunk;
  });
  await next(socket, 'connect', 5000);
  return socket;
}

export interface PeerAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Asks from an address over a connection of its own; the answer, or a rejection. */
export function askFrom(
  localAddress: string,
  port: number,
  options: RequestOptions,
  body?: Buffer | string,
): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, localAddress, agent: false, ...options }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        sent.destroy();
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
