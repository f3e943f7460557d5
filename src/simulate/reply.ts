import type { Exchange } from './exchange.ts';
import { flushed } from './stream.ts';

/** Answers with JSON, as gin writes it; the stream faults break it off half-way. */
export function json(exchange: Exchange, status: number, value: unknown): void {
  text(exchange, status, JSON.stringify(value), 'application/json; charset=utf-8');
}

/** Answers with text. */
export function text(
  exchange: Exchange,
  status: number,
  body: string,
  type = 'text/plain',
  headers: Readonly<Record<string, string>> = {},
): void {
  const { res } = exchange;
  if (res.headersSent || res.destroyed) return;
  const length = Buffer.byteLength(body);
  res.writeHead(status, { 'Content-Type': type, 'Content-Length': length, ...headers });
  res.end(body);
}

/** Answers without a body. */
export function empty(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  const { res } = exchange;
  if (res.headersSent || res.destroyed) return;
  res.writeHead(status, { ...(status === 204 ? {} : { 'Content-Length': '0' }), ...headers });
  res.end();
}

/** Answers a non-stream inference request; here the stream faults act at the middle of the body. */
export async function wholeAnswer(exchange: Exchange, value: unknown, refuse: (message: string) => void) {
  const { res, fault } = exchange;
  const body = JSON.stringify(value);
  const half = body.slice(0, body.length >> 1);
  switch (fault?.kind) {
    case 'error-line':
      return refuse(fault.message);
    case 'malformed':
    case 'clean-cut':
      return text(exchange, 200, half, 'application/json; charset=utf-8');
    case 'stall':
    case 'cut':
      res.writeHead(200, {
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': Buffer.byteLength(body),
      });
      res.write(half);
      if (fault.kind === 'stall') return;
      await flushed(res);
      exchange.brokenOff = true;
      res.socket?.destroy();
      return;
    default:
      text(exchange, 200, body, 'application/json; charset=utf-8');
  }
}
