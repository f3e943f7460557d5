import http from 'node:http';
import https from 'node:https';
import { StringDecoder } from 'node:string_decoder';
import { createParser } from 'eventsource-parser';
import type { Clock } from '../clock.ts';
import { requestTo } from '../config/host.ts';
import { reasonOf } from '../errors.ts';
import { parseJson } from '../ollama/parse-json.ts';
import { readyEvent } from '../security/dial.ts';
import type { PathAgent } from '../security/path-agent.ts';

/** Where a server-mode ollana tells what changes there. */
export const WATCH_PATH = '/ollana/api/watch';

/**
 * Why a stream ended: `refused` = it was not opened, `bye` = the server shuts down, `silent` = nothing came for
 * 2.8 s, `broken` = it is not what it should be, `closed` = anything else.
 */
export type FeedEnd = 'refused' | 'bye' | 'closed' | 'silent' | 'broken';

export interface FollowOptions {
  /** Base URL of the server. */
  readonly url: string;
  readonly clock: Clock;
  /** Makes the connection; absent: in the clear. */
  readonly agent?: PathAgent | undefined;
  /** Limit for the TCP (and TLS) handshake, ms. */
  readonly connectTimeoutMs: number;
  /** `value` is JSON as it came, unchecked. */
  readonly onEvent: (name: string, value: unknown) => void;
  /** Called once, unless disposed before; nothing is called after it. */
  readonly onEnd: (end: FeedEnd, reason: string) => void;
}

/**
 * Beats come every 1.25 s, and two may be late. With two lost connections of 1 s after it, and a third where this
 * process stood still during the first, a machine that lost its power is noticed within 6 s, though nothing waits for it.
 */
const SILENCE_MS = 2800;
/** As large as a list may be, see ollama/client.ts; characters. */
const MAX_EVENT = 16 * 1024 * 1024;
/** A server sends a `load` each 20 ms at most and little else; one that sends more would only keep us busy. */
const WINDOW_MS = 5000;
const MAX_EVENTS = 1000;
const MAX_BYTES = 3 * MAX_EVENT;

/** Opens the stream of a server over a connection of its own and reads it to its end. Never throws. */
export function follow(options: FollowOptions): Disposable {
  const { url, clock, connectTimeoutMs, onEvent } = options;
  const library = url.startsWith('https:') ? https : http;
  const { headers, ...to } = requestTo(url + WATCH_PATH);
  const request = library.request({
    ...to,
    agent: options.agent ?? false,
    headers: { ...headers, accept: 'text/event-stream' },
  });
  let over = false;
  let heardAt = clock.now();
  const stop = () => {
    over = true;
    stopDial();
    stopSilence();
    request.destroy();
  };
  const end = (how: FeedEnd, reason: string) => {
    if (over) return;
    stop();
    options.onEnd(how, reason);
  };
  const stopDial = clock.after(connectTimeoutMs, () =>
    end('closed', `no connection within ${connectTimeoutMs} ms`),
  );
  // Looked at when it may be due, not set anew for each piece that comes.
  const listen = (ms: number) =>
    clock.after(ms, () => {
      const still = clock.now() - heardAt;
      if (still >= SILENCE_MS) end('silent', `its stream has been silent for ${SILENCE_MS} ms`);
      else stopSilence = listen(SILENCE_MS - still);
    });
  let stopSilence = listen(SILENCE_MS);
  request.on('socket', (socket) => socket.once(readyEvent(socket), () => stopDial()));
  request.on('error', (error) => end('closed', reasonOf(error)));
  request.on('response', (response) => {
    const type = String(response.headers['content-type'] ?? '');
    if (response.statusCode !== 200 || !type.startsWith('text/event-stream')) {
      return end('refused', `it answers ${response.statusCode} to GET ${WATCH_PATH}`);
    }
    const read = eventReader(clock, (name, data) => {
      if (over) return;
      if (name === 'bye') end('bye', 'it is shutting down');
      else onEvent(name, parseJson(data));
    });
    response.on('data', (chunk: Buffer) => {
      heardAt = clock.now();
      if (over) return;
      try {
        read(chunk);
      } catch (error) {
        end('broken', `its stream is broken: ${reasonOf(error)}`);
      }
    });
    response.on('error', (error) => end('closed', reasonOf(error)));
    response.on('close', () => end('closed', 'its stream was closed'));
  });
  request.end();
  return { [Symbol.dispose]: stop };
}

/** Makes server-sent events of the pieces given to it, which throws when they are not the stream of an ollana. */
export function eventReader(
  clock: Clock,
  onEvent: (name: string, data: string) => void,
): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8');
  let since = clock.now();
  let events = 0;
  let bytes = 0;
  const parser = createParser({
    maxBufferSize: MAX_EVENT,
    onEvent: ({ event = '', data }) => {
      events += 1;
      if (events > MAX_EVENTS) throw new Error('too many events');
      onEvent(event, data);
    },
    onError: (error) => {
      throw error;
    },
  });
  return (chunk) => {
    if (clock.now() - since >= WINDOW_MS) {
      since = clock.now();
      events = 0;
      bytes = 0;
    }
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error('too many bytes');
    // No ollana sends one, and the parser takes quadratic time over a row of them.
    if (chunk.includes('\r')) throw new Error('a line ends in CR');
    parser.feed(decoder.write(chunk));
  };
}
