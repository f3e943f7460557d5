import type { IncomingMessage } from 'node:http';
import type { Clock } from '../clock.ts';

/** Why a body was not read: it is too long, takes too long, or its connection broke off. */
export type BodyFault = 'over' | 'late' | 'broken';

/**
 * Reads the body of a request of ollana's own, which is some lines long: `maxBytes` at most, within `limitMs`. Never
 * rejects; after a fault nothing more is read, and the connection is the caller's to end. What goes on to a server is
 * read by `BodyReader` instead, which keeps or streams any length.
 */
export function readSmallBody(
  request: IncomingMessage,
  {
    clock,
    maxBytes,
    limitMs,
  }: { readonly clock: Clock; readonly maxBytes: number; readonly limitMs: number },
): Promise<Buffer | BodyFault> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (what: Buffer | BodyFault) => {
      stop();
      request.off('data', take);
      resolve(what);
    };
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) settle('over');
      else chunks.push(chunk);
    };
    const stop = clock.after(limitMs, () => settle('late'));
    request.on('data', take);
    request.once('end', () => settle(Buffer.concat(chunks)));
    // A connection that breaks is told of by both.
    request.once('error', () => settle('broken'));
    request.once('close', () => settle('broken'));
  });
}
