import type { LateMetrics } from '../observe/late-metrics.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';

export interface MetricsPathOptions {
  readonly metrics: Pick<LateMetrics, 'text' | 'contentType'>;
  /** Throws when a request from another machine shows no API key and one is required. */
  readonly admit: (exchange: Exchange) => void;
}

/**
 * Answers `GET /metrics`; returns false for all other paths. For this machine always; for others as the lists: whoever
 * may come in at all, with an API key where one is required.
 */
export function metricsPath({ metrics, admit }: MetricsPathOptions): (exchange: Exchange) => boolean {
  return (exchange) => {
    if (pathOf(exchange.target) !== '/metrics') return false;
    const { method, response, extraHeaders } = exchange;
    if (method !== 'GET' && method !== 'HEAD') {
      extraHeaders.push('Allow', 'GET');
      answerJson(exchange, 405, { error: '/metrics takes GET' });
      return true;
    }
    const answer = async () => {
      if (!exchange.fromHere) admit(exchange);
      const body = Buffer.from(await metrics.text());
      const headers = ['Content-Type', metrics.contentType, 'Content-Length', String(body.length)];
      response.writeHead(200, [...extraHeaders, ...headers, 'Cache-Control', 'no-store']);
      response.end(method === 'HEAD' ? undefined : body);
    };
    answer().catch((error: unknown) => answerError(exchange, error));
    return true;
  };
}
