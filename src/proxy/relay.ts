import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import type { Protocol } from '../ollama/routes.ts';
import { errorEnd, framingOf, judgeEnd } from './ends.ts';
import { answerHeaders } from './headers.ts';
import { Tail } from './tail.ts';

export interface RelayOptions {
  readonly protocol: Protocol;
  /** The answer must carry its protocol's terminal marker. */
  readonly marked: boolean;
  /** Flat list of headers to add. */
  readonly extraHeaders: readonly string[];
  /** Called with every chunk, before it is written. */
  readonly onChunk: (bytes: number) => void;
  /** Called once, before the client is told, when an answer that has begun fails; returns the words for it. */
  readonly describe: (reason: string) => string;
}

export type RelayEnd =
  | { readonly type: 'completed' }
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
  const tail = new Tail();
  const keepTail = framing !== 'none';
  const roomForMore = response.headers['content-length'] === undefined;
  let begun = false;
  const begin = () => {
    begun = true;
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
        const words = options.describe(reason);
        breakOff(client, roomForMore ? errorEnd(framing, options.protocol, words, tail.open) : '');
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
      options.onChunk(chunk.length);
      if (keepTail) tail.push(chunk);
      if (!client.write(chunk)) response.pause();
    };
    // A segment with many lines gives one 'data' for each of them, in one turn. The first is written at once,
    // which costs nothing when it is the only one; the others are gathered and written as one when the turn ends.
    let rest: Buffer[] = [];
    let corked: Socket | undefined;
    const flush = () => {
      if (!corked) return;
      const chunk = Buffer.concat(rest);
      rest = [];
      if (!client.destroyed) pass(chunk);
      corked.uncork();
      corked = undefined;
    };
    response.on('data', (chunk: Buffer) => {
      const { socket } = client;
      if (corked) return void rest.push(chunk);
      // Node corks the socket from a turn's first write until the turn ends.
      if (!socket || socket.writableCorked === 0) return pass(chunk);
      socket.cork(); // Both writes leave in one system call.
      corked = socket;
      rest.push(chunk);
      process.nextTick(flush);
    });
    const stopWatching = finished(response, { writable: false }, (error) => {
      flush();
      if (error || !response.complete) return fail(error?.message ?? 'the connection closed before the end');
      const end = options.marked ? judgeEnd(framing, options.protocol, tail.text()) : 'complete';
      if (end === 'missing') return fail('the stream ended without its last message');
      if (!begun) begin();
      if (response.rawTrailers.length > 0) client.addTrailers(pairs(response.rawTrailers));
      if (end === 'complete') {
        client.end();
        return settle({ type: 'completed' });
      }
      const reason = 'the server reported an error';
      options.describe(reason);
      client.end();
      settle({ type: 'failed', begun: true, told: true, reason });
    });
  });
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
