import { option } from '../option.ts';
import { parseCount, parseSwitch } from '../values.ts';

/** Which servers there are, the running daemon knows. */
function parseServerName(text: string): string {
  if (text !== '') return text;
  throw new RangeError('name a server, as `ollana status` shows it');
}

/** What `ollana benchmark` is told. */
export const MEASURING_OPTIONS = Object.freeze({
  measuredServers: option({
    flag: 'server',
    env: 'OLLANA_SERVER',
    kind: 'list',
    hint: 'NAME',
    parse: parseServerName,
    fallbackHelp: "every one but this machine's own Ollama",
    help: 'measure at this server: its name, URL or id',
    commands: ['benchmark'],
  }),
  rounds: option({
    flag: 'rounds',
    env: 'OLLANA_ROUNDS',
    kind: 'value',
    hint: 'N',
    parse: parseCount(1, 10),
    fallback: '1',
    help: 'ask everything so often, 1-10, and show medians',
    commands: ['benchmark'],
  }),
  yes: option({
    flag: 'yes',
    env: 'OLLANA_YES',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'start without asking whether the GPU time may be used',
    commands: ['benchmark'],
  }),
  history: option({
    flag: 'history',
    env: 'OLLANA_HISTORY',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'show earlier benchmarks, the newest last; runs nothing',
    commands: ['benchmark'],
  }),
});
