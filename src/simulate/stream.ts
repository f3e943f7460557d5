import type { ServerResponse } from 'node:http';
import { type Clock, sleep } from '../clock.ts';
import type { Exchange } from './exchange.ts';
import type { Faults } from './faults.ts';

/** The lines (SSE: events) of one streamed answer. */
export interface Frames {
  readonly type: string;
  readonly count: number;
  /** Index of the first line of the proper ending; faults come before it. */
  readonly endsAt: number;
  /** Line `i` with its line end, made when it is due. */
  line(i: number): string;
  /** Milliseconds after the first token began at which line `i` is due. */
  dueMs(i: number): number;
  /** What Ollama writes when the runner fails mid-stream. */
  failure(message: string): string;
}

/** Lines written before others get a turn. */
const BATCH = 64;
/** Node's timers have whole milliseconds; less than this early is on time. */
const EPSILON_MS = 1e-3;

/**
 * Streams `frames`, one write a line, no faster than due nor than the reader; headers go out with the first
 * line. Returns when the client leaves.
 */
export async function stream(
  exchange: Exchange,
  frames: Frames,
  clock: Clock,
  faults: Faults,
): Promise<void> {
  const { res, fault, signal } = exchange;
  const begun = clock.now();
  const broken =
    fault !== undefined && 'afterLines' in fault ? Math.min(fault.afterLines, frames.endsAt) : -1;
  const writeTo = (from: number, to: number) => write(exchange, frames, from, to, begun, clock, faults);
  if (broken < 0) await writeTo(0, frames.count);
  else {
    await writeTo(0, broken);
    if (signal.aborted) return;
    if (!res.headersSent) res.writeHead(200, { 'Content-Type': frames.type });
    if (!(await breakOff(exchange, frames, broken))) return;
    await writeTo(broken, frames.count);
  }
  if (!signal.aborted) res.end();
}

async function write(
  { res, signal }: Exchange,
  frames: Frames,
  from: number,
  to: number,
  begun: number,
  clock: Clock,
  faults: Faults,
): Promise<void> {
  let i = from;
  while (i < to && !signal.aborted) {
    if (faults.frozen) {
      await faults.thawed(signal);
      continue;
    }
    const wait = frames.dueMs(i) - (clock.now() - begun);
    if (wait > EPSILON_MS) {
      await sleep(clock, wait, signal);
      continue;
    }
    if (!res.headersSent) res.writeHead(200, { 'Content-Type': frames.type });
    const stop = Math.min(to, i + BATCH);
    let room = true;
    const elapsed = clock.now() - begun + EPSILON_MS;
    while (i < stop && room && frames.dueMs(i) <= elapsed) room = res.write(frames.line(i++));
    if (!room) await drained(res, signal);
    else if (i === stop && i < to) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Does what the fault says at this line; true if the stream goes on. */
async function breakOff(exchange: Exchange, frames: Frames, at: number): Promise<boolean> {
  const { res, fault } = exchange;
  switch (fault?.kind) {
    case 'malformed':
      res.write(malformed(frames.line(at)));
      return true;
    case 'error-line':
      res.end(frames.failure(fault.message));
      return false;
    case 'clean-cut':
      res.end();
      return false;
    case 'cut': {
      const next = frames.line(at);
      if (fault.midLine) res.write(next.slice(0, next.length >> 1));
      else res.flushHeaders();
      await flushed(res);
      exchange.brokenOff = true;
      res.socket?.destroy();
      return false;
    }
    case 'stall':
      res.flushHeaders();
      return false;
    default:
      return true;
  }
}

/** A line whose JSON breaks off in the middle, with its proper line end. */
function malformed(line: string): string {
  const end = /\n+$/.exec(line)?.[0] ?? '\n';
  return `${line.slice(0, Math.max(1, (line.length - end.length) >> 1))}${end}`;
}

/** Resolves when all that was written so far has left for the kernel. */
export async function flushed(res: ServerResponse): Promise<void> {
  // The response's own buffers are corked until the next tick.
  await new Promise((resolve) => setImmediate(resolve));
  const { socket } = res;
  if (!socket || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
    socket.write('', () => resolve());
  });
}

function drained(res: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      res.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    res.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
