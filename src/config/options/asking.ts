import { MODEL_COMMANDS, option } from '../option.ts';
import { parseSwitch } from '../values.ts';

/** Which servers there are, the running daemon knows: any text may be the name of one. */
function parseServerChoice(text: string): string {
  if (text === '') throw new RangeError('name a server, as `ollana status` shows it');
  return text;
}

/** What the commands are told that ask a running ollana. */
export const ASKING_OPTIONS = Object.freeze({
  json: option({
    flag: 'json',
    env: 'OLLANA_JSON',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'print JSON instead of a table',
    commands: ['status', 'models'],
  }),
  on: option({
    flag: 'on',
    env: 'OLLANA_ON',
    kind: 'value',
    hint: 'SERVER',
    parse: parseServerChoice,
    fallbackHelp: 'pull: where most memory is free; else every server that has it',
    help: 'the one server that is to do it: its name, URL or id',
    commands: MODEL_COMMANDS,
  }),
  all: option({
    flag: 'all',
    env: 'OLLANA_ALL',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: "every server, side by side, but this machine's own Ollama",
    commands: ['pull'],
  }),
});
