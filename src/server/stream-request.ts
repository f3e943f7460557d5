import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Clock } from '../clock.ts';
import { requestTo } from '../config/host.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { OWN_VIA } from '../ollama/client.ts';
import { readyEvent } from '../security/dial.ts';
import type { PathAgent } from '../security/path-agent.ts';

/** How files are fetched and handed on. */
export interface StreamOptions {
  readonly clock: Clock;
  /** Makes the connections, which should be fresh ones. */
  readonly agent: PathAgent;
  /** Limit for the TCP (and TLS) handshake, ms. */
  readonly connectTimeoutMs: number;
  /** An abort closes the connection at once. */
  readonly signal: AbortSignal;
}

/** An answer to a file is a line; of a longer one the rest is not read. */
const MAX_WORDS = 4096;

/**
 * Begins a request whose body or answer is too large to be held; whoever calls ends it. It has no limit of time but for
 * the connection. `error` is emitted for whatever breaks, an abort too.
 */
export function streamRequest(
  url: string,
  method: string,
  headers: Readonly<Record<string, string>>,
  { clock, agent, connectTimeoutMs, signal }: StreamOptions,
): ClientRequest {
  const { headers: host, ...to } = requestTo(url);
  const request = (url.startsWith('https:') ? https : http).request({
    ...to,
    agent,
    method,
    headers: { ...host, via: OWN_VIA, ...headers },
    signal,
  });
  const stopDial = clock.after(connectTimeoutMs, () =>
    request.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)),
  );
  request.on('socket', (socket) => {
    if (socket.connecting) socket.once(readyEvent(socket), stopDial);
    else stopDial();
  });
  request.once('close', stopDial);
  return request;
}

/** The answer to a request, when its headers are there. Rejects with OLLANA_UPSTREAM_FAILED. */
export function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', (error) =>
      reject(
        error instanceof OllanaError ? error : new OllanaError('OLLANA_UPSTREAM_FAILED', reasonOf(error)),
      ),
    );
  });
}

/** What an answer that is no success says, on one line: its `error`, or its status. Never rejects. */
export async function wordsOf(answer: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
      text += chunk;
      if (text.length > MAX_WORDS) break;
    }
    const { error } = (JSON.parse(text) ?? {}) as { error?: unknown };
    if (typeof error === 'string') return reasonOf({ message: error });
  } catch {
    // What is no JSON, or no whole one, says no more than the status.
  }
  return `it answered ${answer.statusCode}`;
}
