import type { Clock } from '../clock.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import type { Reloader } from './reload.ts';
import { readJson, refuseStrangers } from './small-json.ts';

/** Where a daemon is told to read its configuration again. */
export const RELOAD_PATH = '/reload';
/** Nothing is read from it. */
const MAX_BODY_BYTES = 1024;

/**
 * Answers `POST /reload` of programs of this machine with a ReloadReport, or 422 where the configuration has mistakes;
 * returns false for all other paths, and without a reloader.
 */
export function reloadPath(
  clock: Clock,
  reloader: Pick<Reloader, 'reload'> | undefined,
): (exchange: Exchange) => boolean {
  return (exchange) => {
    if (!reloader || pathOf(exchange.target) !== RELOAD_PATH) return false;
    if (exchange.method !== 'POST') {
      // To other machines there is no such thing; the front says so in Ollama's words.
      if (!exchange.fromHere) return false;
      exchange.extraHeaders.push('Allow', 'POST');
      answerJson(exchange, 405, { error: `${RELOAD_PATH} takes POST` });
      return true;
    }
    const done = async () => {
      refuseStrangers(exchange);
      await readJson(exchange, clock, MAX_BODY_BYTES);
      answerJson(exchange, 200, { status: 'ok', ...reloader.reload() });
    };
    done().catch((error: unknown) => answerError(exchange, error));
    return true;
  };
}
