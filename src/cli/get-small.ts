import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';

/** A daemon's report about hundreds of servers is some hundred kilobytes; nothing sane is larger. */
const LARGEST_BODY = 4 * 1_024 * 1_024;

/** A small answer read whole. */
export interface SmallAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/**
 * Reads a small answer over HTTP or HTTPS on a connection of its own, so that nothing is left open.
 * Rejects when the whole takes longer than `limitMs` milliseconds, or the body is over 4 MB.
 */
export function getSmall(url: string, limitMs: number): Promise<SmallAnswer> {
  return new Promise((resolve, reject) => {
    const get = url.startsWith('https:') ? getSecure : getPlain;
    const request = get(url, { agent: false, signal: AbortSignal.timeout(limitMs) }, (answer) => {
      readAll(answer).then(resolve, reject);
    });
    request.on('error', reject);
  });
}

async function readAll(answer: IncomingMessage): Promise<SmallAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_BODY) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return {
    status: answer.statusCode ?? 0,
    contentType: answer.headers['content-type'] ?? '',
    body: Buffer.concat(chunks).toString('utf8'),
  };
}
