import type { Exchange } from './exchange.ts';
import { headerText } from './headers.ts';

/** What an answer tells of its way here, beside the server's own headers; flat. `told` is about this machine. */
export function ownHeaders(exchange: Exchange, reason: string, told: readonly string[]): string[] {
  return [
    ...exchange.extraHeaders,
    ...told,
    'X-Ollana-Server',
    headerText(exchange.server ?? 'none'),
    'X-Ollana-Attempts',
    String(exchange.attempts),
    'X-Ollana-Queue-Ms',
    String(Math.round(exchange.queueMs)),
    'X-Ollana-Reason',
    headerText(reason),
    'X-Ollana-Request-Id',
    exchange.id,
    ...[...exchange.changes].flat(),
  ];
}
