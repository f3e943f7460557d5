import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { Protocol } from '../ollama/routes.ts';
import { errorEnd, framingOf, isHalfJson, judgeEnd, standingOf } from './ends.ts';
import { answerHeaders } from './headers.ts';
import { Tail } from './tail.ts';

/** Notes on an answer under way. */
export interface Progress {
  /** When its first byte came, on the clock. */
  firstByteAt: number | undefined;
  /** Bytes of its body so far. */
  bytes: number;
}

export interface RelayOptions {
  readonly protocol: Protocol;
  /** The answer must carry its protocol's terminal marker. */
  readonly marked: boolean;
  /** Flat list of headers to add. */
  readonly extraHeaders: readonly string[];
  /** What is noted of the answer while it passes. */
  readonly progress: Progress;
  readonly clock: Clock;
  /** Called with the first byte. */
  readonly onBegin: () => void;
  /** Called when the client does not keep up. */
  readonly onStall: () => void;
  /**
   * Called once, before the client is told, when an answer that has begun fails; returns the words for it. `told`: the
   * server itself ended it with an error.
   */
  readonly describe: (reason: string, told: boolean) => string;
}

export type RelayEnd =
  | {
      readonly type: 'completed';
      /** The last 8 kB or more of the answer, if it was looked at. */
      readonly tail: string;
    }
  | { readonly type: 'client-left' }
  | {
      readonly type: 'failed';
      /** Bytes had gone to the client, so nothing can be repeated. */
      readonly begun: boolean;
      /** The server itself ended its answer with an error. */
      readonly told: boolean;
      readonly reason: string;
    };

/**
 * Passes an answer on: status and headers with the first byte of the body, chunks as they come, with
 * back-pressure. What breaks off is never made to look whole: the client gets an error in its own protocol
 * where there is a place for one, then a connection that closes as failed. Never rejects.
 */
export function relay(
  response: IncomingMessage,
  client: ServerResponse,
  options: RelayOptions,
): Promise<RelayEnd> {
  const framing = framingOf(response.headers['content-type']);
  const { progress } = options;
  const tail = new Tail();
  const keepTail = framing !== 'none' || options.marked;
  const roomForMore = response.headers['content-length'] === undefined;
  const isPlain = response.headers['content-encoding'] === undefined;
  let begun = false;
  const begin = () => {
    begun = true;
    progress.firstByteAt ??= options.clock.now();
    options.onBegin();
    const headers = answerHeaders(response.rawHeaders, options.extraHeaders);
    client.writeHead(response.statusCode ?? 502, response.statusMessage ?? '', headers);
  };

  return new Promise((resolve) => {
    const onDrain = () => response.resume();
    const settle = (end: RelayEnd) => {
      client.removeListener('drain', onDrain);
      client.removeListener('close', onClientClose);
      stopWatching();
      resolve(end);
    };
    const fail = (reason: string) => {
      if (begun) {
        const words = options.describe(reason, false);
        const at = standingOf(framing, tail.end);
        breakOff(client, roomForMore ? errorEnd(framing, options.protocol, words, at) : '');
      }
      settle({ type: 'failed', begun, told: false, reason });
    };
    const onClientClose = () => {
      if (!client.writableFinished) settle({ type: 'client-left' });
    };
    client.on('drain', onDrain);
    client.on('close', onClientClose);

    const pass = (chunk: Buffer) => {
      if (!begun) begin();
      progress.bytes += chunk.length;
      if (keepTail) tail.push(chunk);
      if (client.write(chunk)) return;
      response.pause();
      options.onStall();
    };
    // A segment with many lines gives one 'data' for each of them, in one turn. The first is written at once,
    // which costs nothing when it is the only one; the others are gathered and written as one when the turn ends.
    const { socket } = client;
    let rest: Buffer[] | undefined;
    const flush = () => {
      if (!rest) return;
      const chunk = Buffer.concat(rest);
      rest = undefined;
      if (!client.destroyed) pass(chunk);
      socket?.uncork();
    };
    response.on('data', (chunk: Buffer) => {
      if (rest) return void rest.push(chunk);
      // Node corks the socket from a turn's first write until the turn ends.
      if (!socket?.writableCorked) return pass(chunk);
      socket.cork(); // Both writes leave in one system call.
      rest = [chunk];
      process.nextTick(flush);
    });
    const stopWatching = finished(response, { writable: false }, (error) => {
      flush();
      const broken = error ?? brokenEnd(response);
      if (broken || !response.complete)
        return fail(broken?.message ?? 'the connection closed before the end');
      const words = options.marked ? tail.text() : '';
      const end = options.marked ? judgeEnd(framing, options.protocol, words) : 'complete';
      if (end === 'missing') return fail('the stream ended without its last message');
      // One that says its length is what its server meant to say.
      if (options.marked && roomForMore && isPlain && isHalfJson(response.headers['content-type'], words))
        return fail('the answer ended in the midst of its JSON');
      if (!begun) begin();
      const trailers = answerHeaders(response.rawTrailers, []);
      if (trailers.length > 0) client.addTrailers(pairs(trailers));
      if (end === 'complete') {
        client.end();
        return settle({ type: 'completed', tail: words });
      }
      const reason = 'the server reported an error';
      options.describe(reason, true);
      client.end();
      settle({ type: 'failed', begun: true, told: true, reason });
    });
  });
}

/** What ended an answer that only its connection's end ends: Node takes a reset for that, too. */
function brokenEnd({ headers, socket }: IncomingMessage): Error | undefined {
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return undefined;
  // A connection that is kept has left its response.
  return (socket as Socket | null)?.errored ?? undefined;
}

/** Sends `last`, then closes the connection without the end of the body: failed, for any HTTP client. */
function breakOff(client: ServerResponse, last: string): void {
  const { socket } = client;
  if (!socket || client.destroyed) return;
  if (last === '') return void socket.destroy();
  client.write(last, () => socket.destroySoon());
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] ?? '', flat[i + 1] ?? '']);
  return list;
}
