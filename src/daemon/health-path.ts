import { pathOf } from '../ollama/routes.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';

export interface HealthPathOptions {
  /** Why a request would find no server now; undefined: it would find one. */
  readonly whyNotReady: () => string | undefined;
  readonly draining: () => boolean;
}

/**
 * Answers `GET /healthz` to everybody: 200 `{"status":"ok"}` while ollana runs, as the hub that others know does; with
 * `?ready`, 503 and why while no server could take a request or ollana shuts down. Asks no server anything. Returns
 * false for all other paths.
 */
export function healthPath({ whyNotReady, draining }: HealthPathOptions): (exchange: Exchange) => boolean {
  return (exchange) => {
    if (pathOf(exchange.target) !== '/healthz') return false;
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      exchange.extraHeaders.push('Allow', 'GET');
      answerJson(exchange, 405, { detail: 'Method Not Allowed' });
      return true;
    }
    const asked = new URLSearchParams(exchange.target.split('?')[1] ?? '').has('ready');
    const reason = draining() ? 'ollana is shutting down' : asked ? whyNotReady() : undefined;
    const isFine = reason === undefined || !asked;
    answerJson(exchange, isFine ? 200 : 503, isFine ? { status: 'ok' } : { status: 'unready', reason });
    return true;
  };
}
