import { option } from '../option.ts';
import { parseSince } from '../since.ts';
import { asTyped, parseChoice, parseSwitch } from '../values.ts';

/** Any text may be the name of a model or server. */
function parseText(text: string): string {
  if (text !== '') return text;
  throw new RangeError('give a name, as `ollana logs` shows it');
}

/** What the commands are told that show requests that have ended. */
export const LOOKING_BACK_OPTIONS = Object.freeze({
  follow: option({
    flag: 'follow',
    env: 'OLLANA_FOLLOW',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'go on with every new request, until Ctrl-C',
    commands: ['logs'],
  }),
  onlyModel: option({
    flag: 'model',
    env: 'OLLANA_MODEL',
    kind: 'value',
    hint: 'NAME',
    parse: parseText,
    fallbackHelp: 'all',
    help: 'only requests for this model, as clients spelled it',
    commands: ['logs'],
  }),
  onlyServer: option({
    flag: 'server',
    env: 'OLLANA_SERVER',
    kind: 'value',
    hint: 'NAME',
    parse: parseText,
    fallbackHelp: 'all',
    help: 'only requests that this server answered',
    commands: ['logs'],
  }),
  onlyStatus: option({
    flag: 'status',
    env: 'OLLANA_STATUS',
    kind: 'value',
    hint: 'STATUS',
    parse: parseChoice(['completed', 'retried', 'failed', 'refused', 'incomplete', 'client_disconnected']),
    fallbackHelp: 'all',
    help: 'completed, retried, failed, refused (what the client asked), incomplete or client_disconnected',
    commands: ['logs'],
  }),
  since: option({
    flag: 'since',
    env: 'OLLANA_SINCE',
    kind: 'value',
    hint: 'TIME',
    // Which moment it means is known to whoever is asked.
    parse: asTyped((text) => parseSince(text, 0)),
    fallbackHelp: 'logs: the last 20 requests; usage: 30d',
    help: 'how far back: 15m, 2h, 7d, or a date such as 2026-01-31',
    commands: ['logs', 'usage'],
  }),
  by: option({
    flag: 'by',
    env: 'OLLANA_BY',
    kind: 'value',
    hint: 'WHAT',
    parse: parseChoice(['model', 'server', 'app', 'device', 'hour', 'day']),
    fallback: 'model',
    help: 'model, server, app, device, hour or day',
    commands: ['usage'],
  }),
  csv: option({
    flag: 'csv',
    env: 'OLLANA_CSV',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'print comma-separated values, for spreadsheets',
    commands: ['usage'],
  }),
});
