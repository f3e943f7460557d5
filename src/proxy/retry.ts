import type { RouteClass } from '../ollama/routes.ts';

/** What is known when an attempt has got an answer, or has not. */
export interface AttemptFacts {
  readonly routeClass: RouteClass;
  readonly method: string;
  /** `dial`: nothing was sent. `sent`: no byte came back. `answered`: a status did. */
  readonly stage: 'dial' | 'sent' | 'answered';
  readonly status: number | undefined;
  /** The body can be sent again. */
  readonly replayable: boolean;
  /** Our list says that this server holds the model asked for. */
  readonly listed: boolean;
}

/**
 * `pass`: the answer goes to the client as it is. `elsewhere`: the next server is to try. `fail`: the client
 * is told that it failed.
 */
export type Step = 'pass' | 'elsewhere' | 'fail';

/** Statuses by which a server says that it, or the way to it, failed, not the request. */
const SERVER_FAILED = new Set([500, 502, 503, 504]);

/**
 * Decides what follows an attempt before any byte of its answer went to the client. Ollama's inference and
 * reads have no side effects, so they may run again; management may not, unless nothing was sent. Every other
 * status, 4xx above all, is the client's to see. Pure.
 */
export function nextStep({ routeClass, method, stage, status, replayable, listed }: AttemptFacts): Step {
  if (stage === 'dial') return 'elsewhere';
  const repeatable = isRepeatable({ routeClass, method, replayable });
  if (stage === 'sent') return repeatable ? 'elsewhere' : 'fail';
  if (!repeatable || status === undefined) return 'pass';
  if (SERVER_FAILED.has(status)) return 'elsewhere';
  // The list said otherwise: it is stale, and another holder may still have the model.
  return status === 404 && listed ? 'elsewhere' : 'pass';
}

/** Whether a request may be sent again after a server may have seen it. Pure. */
export function isRepeatable({
  routeClass,
  method,
  replayable,
}: Pick<AttemptFacts, 'routeClass' | 'method' | 'replayable'>): boolean {
  return replayable && isHarmless(routeClass, method);
}

const HARMLESS: ReadonlySet<RouteClass> = new Set(['inference', 'holder', 'aggregate', 'liveness']);

function isHarmless(routeClass: RouteClass, method: string): boolean {
  if (HARMLESS.has(routeClass)) return true;
  return routeClass === 'unknown' && (method === 'GET' || method === 'HEAD');
}
