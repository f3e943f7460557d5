import type { IncomingMessage } from 'node:http';
import { ERROR_HEADER } from '../fleet/answers.ts';

export interface TicketAnswerEvents {
  /** Those ahead take so long, ms. */
  readonly onQueued: (aheadMs: number) => void;
  readonly onGrant: (grant: string) => void;
  /** There will be no grant, and the server says why. */
  readonly onRefused: (reason: string) => void;
  /** There will be no grant: the connection broke, its Ollama is away, or what came is no answer to a ticket. */
  readonly onFailed: () => void;
}

/** Two short lines; more is no answer to a ticket. */
const MAX_BYTES = 1024;
/** Nobody waits longer than a day; keeps sums finite whatever a server claims. */
const MAX_AHEAD_MS = 86_400_000;

/** Reads what a server answers to a ticket, line by line as it comes, until the grant. Calls back, never throws. */
export function readTicketAnswer(
  response: IncomingMessage,
  { onQueued, onGrant, onRefused, onFailed }: TicketAnswerEvents,
): void {
  let bytes = 0;
  let rest = '';
  let granted = false;
  const read = (line: string) => {
    const { grant, aheadMs } = fieldsOf(line);
    if (typeof grant === 'string') {
      granted = true;
      onGrant(grant);
    } else if (typeof aheadMs === 'number' && aheadMs >= 0) onQueued(Math.min(aheadMs, MAX_AHEAD_MS));
    else onFailed();
  };
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    bytes += chunk.length;
    if (granted) return;
    if (bytes > MAX_BYTES) return onFailed();
    rest += chunk;
    if (response.statusCode !== 200) return;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (!granted) read(line);
  });
  response.on('error', onFailed);
  response.on('close', () => {
    const { error } = fieldsOf(rest);
    if (granted) return;
    const isAway = response.headers[ERROR_HEADER] === 'OLLANA_NO_SERVER';
    if (response.statusCode !== 200 && typeof error === 'string' && !isAway) onRefused(error);
    else onFailed();
  });
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(text) as Record<string, unknown> | null) ?? {};
  } catch {
    return {};
  }
}
