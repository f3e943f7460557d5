import type { Clock } from '../clock.ts';
import type { CommonConfig } from '../config.ts';
import { pathOf } from '../ollama/routes.ts';
import { answerError } from '../proxy/error-answer.ts';
import type { Exchange } from '../proxy/exchange.ts';
import { answerJson } from '../proxy/front.ts';
import type { Reloader } from './reload.ts';
import { mistakeText, readOrders } from './settings-order.ts';
import { saveSettings } from './settings-save.ts';
import { settingViews } from './settings-view.ts';
import { bad, readJson, refuseStrangers } from './small-json.ts';

export interface SettingsPathOptions {
  readonly config: CommonConfig & { readonly mode: 'client' | 'server' };
  readonly clock: Clock;
  /** Takes over what is saved; absent: nothing can be. */
  readonly reloader: Reloader | undefined;
  /** Throws where an API key is required and none is shown: else whoever has none could have that ended here. */
  readonly admit: (exchange: Exchange) => void;
}

const SETTINGS = '/dashboard/api/settings';
/** A hundred servers with their names are 5 kB. */
const MAX_BODY_BYTES = 64 * 1024;

/**
 * Answers `GET` and `POST /dashboard/api/settings` to programs of this machine, `POST` with a SaveReport, or 400 with
 * `errors`, a SettingMistake each; returns false for all else.
 */
export function settingsPath(options: SettingsPathOptions): (exchange: Exchange) => boolean {
  const { config, reloader } = options;
  return (exchange) => {
    if (pathOf(exchange.target) !== SETTINGS || !exchange.fromHere) return false;
    const { method } = exchange;
    if (method === 'GET' || method === 'HEAD')
      answerJson(exchange, 200, { settings: settingViews(config, reloader?.reading.deciders) });
    else if (method === 'POST' && reloader)
      save(exchange, options, reloader).catch((error: unknown) => answerError(exchange, error));
    else {
      exchange.extraHeaders.push('Allow', reloader ? 'GET, POST' : 'GET');
      const how = 'settings are changed in the configuration file: `ollana config` names it';
      answerJson(exchange, 405, { error: `${SETTINGS} takes ${reloader ? 'GET and POST' : `GET; ${how}`}` });
    }
    return true;
  };
}

async function save(
  exchange: Exchange,
  { config, clock, admit }: SettingsPathOptions,
  reloader: Reloader,
): Promise<void> {
  refuseStrangers(exchange);
  admit(exchange);
  const body = await readJson(exchange, clock, MAX_BODY_BYTES);
  const { orders, mistakes } = readOrders(body ?? {}, config.mode);
  if (mistakes.length > 0) {
    const error = `${mistakeText(mistakes)}; nothing has been changed`;
    exchange.error = error;
    return answerJson(exchange, 400, { error, errors: mistakes });
  }
  if (orders.length === 0) throw bad('no option is named: send {"hold": "45s"}, or null to take one back');
  answerJson(exchange, 200, await saveSettings(reloader, orders));
}
