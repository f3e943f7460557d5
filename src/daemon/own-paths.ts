import { HELLO_PATH } from '../fleet/identify.ts';
import { pathOf } from '../ollama/routes.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import type { ModelReport } from './model-report.ts';
import type { StatusReport } from './status.ts';

export interface OwnPathsOptions {
  readonly mode: 'client' | 'server';
  readonly version: string;
  readonly deviceId: string;
  readonly name: string;
  readonly status: () => StatusReport;
  readonly models: () => ModelReport;
}

/**
 * Answers ollana's own paths; returns false for all others. `hello` says who this is; `authorize` is what old
 * Rust clients ask, which end themselves on any answer but 200 with JSON or 401; `status` and `models` are for this
 * machine.
 */
export function ownPaths(options: OwnPathsOptions): (exchange: Exchange) => boolean {
  const { mode, version, deviceId, name } = options;
  return (exchange) => {
    const path = pathOf(exchange.target);
    if (!path.startsWith('/ollana/')) return false;
    if (path === HELLO_PATH) answerJson(exchange, 200, { mode, ollana: version, deviceId, name });
    else if (path === '/ollana/api/authorize') answerJson(exchange, 200, { device_id: deviceId });
    else if (path === '/ollana/api/status' && exchange.fromHere) answerJson(exchange, 200, options.status());
    else if (path === '/ollana/api/models' && exchange.fromHere) answerJson(exchange, 200, options.models());
    else answerJson(exchange, 404, { error: `there is no ${path} here` });
    return true;
  };
}
