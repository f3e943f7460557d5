import type { IncomingMessage } from 'node:http';

/** The first status that ends an exchange (RFC 9110 section 15); Node reads any three digits, and writes them from 100. */
const LOWEST = 200;
/** What no reason phrase has (RFC 9112 section 4); Node reads it, and throws when it is to write it. */
const UNFIT = /[^\t\x20-\x7e\x80-\xff]/;

/** Why the head of an answer is none that could be passed on; undefined for all others. Pure. */
export function answerFault({
  statusCode = 0,
  statusMessage = '',
  headers,
}: Pick<IncomingMessage, 'statusCode' | 'statusMessage' | 'headers'>): string | undefined {
  if (statusCode < LOWEST) return `it answers with status ${statusCode}`;
  const coding = headers['transfer-encoding'] ?? 'chunked';
  // Node undoes no other, and it is not passed on: the client would take the coded bytes for the answer.
  if (coding.trim().toLowerCase() !== 'chunked')
    return 'its answer has a transfer coding that nobody asked for';
  return UNFIT.test(statusMessage) ? 'its status line has control characters' : undefined;
}
