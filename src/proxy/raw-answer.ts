import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import type { ErrorCode } from '../errors.ts';
import { ERROR_HEADER } from './error-answer.ts';

export interface RawAnswer {
  readonly status: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** Seconds for a `Retry-After` header. */
  readonly retryAfterS?: number;
}

/**
 * What is on its way may reset the connection before the answer is read: it stays open for as long as that takes, ms.
 */
const LINGER_MS = 1000;

/**
 * Answers on a connection where there is no response to answer with (no request was read, or not all of it), in
 * Ollama's shape, and ends it. Reads nothing more. Never throws.
 */
export function answerRaw(
  socket: Duplex,
  clock: Clock,
  { status, code, message, retryAfterS }: RawAnswer,
): void {
  socket.on('error', () => {}); // 'close' follows.
  if (!socket.writable) return void socket.destroy();
  const body = JSON.stringify({ error: message });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${ERROR_HEADER}: ${code}`,
    ...(retryAfterS === undefined ? [] : [`Retry-After: ${retryAfterS}`]),
  ];
  const stop = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', stop);
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
