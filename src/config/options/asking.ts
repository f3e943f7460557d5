import { MODEL_COMMANDS, option } from '../option.ts';
import { parseRate } from '../rate.ts';
import { parseChoice, parseCount, parsePath, parseSwitch } from '../values.ts';

/** Shells that `ollana env` writes for. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell', 'cmd'] as const;
export type ShellName = (typeof SHELLS)[number];

/** Which servers there are, the running daemon knows: any text may be the name of one. */
function parseServerChoice(text: string): string {
  if (text === '') throw new RangeError('name a server, as `ollana status` shows it');
  return text;
}

/** Whether there is such a model, servers know. */
function parseModelName(text: string): string {
  if (/^[^\s\p{C}]{1,600}$/u.test(text)) return text;
  throw new RangeError('give the name of a model, such as llama3.2');
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
    commands: [
      'status',
      'health',
      'models',
      'discover',
      'key',
      'device',
      'config',
      'reload',
      'logs',
      'why',
      'usage',
      'benchmark',
      'doctor',
    ],
  }),
  bundle: option({
    flag: 'bundle',
    env: 'OLLANA_BUNDLE',
    kind: 'value',
    hint: 'FILE',
    parse: parsePath,
    help: 'also write a report for a bug to a new file: no prompts, no keys, names taken out',
    commands: ['doctor'],
  }),
  wide: option({
    flag: 'wide',
    env: 'OLLANA_WIDE',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'also what machines they are: processor, memory, disk, GPUs, settings',
    commands: ['status'],
  }),
  shell: option({
    flag: 'shell',
    env: 'OLLANA_SHELL',
    kind: 'value',
    hint: 'NAME',
    choices: SHELLS,
    parse: parseChoice(SHELLS),
    fallbackHelp: 'yours, by SHELL; on Windows powershell',
    help: 'for which shell: bash (and all like it), zsh, fish, powershell or cmd',
    commands: ['env'],
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
  models: option({
    flag: 'models',
    env: 'OLLANA_MODELS',
    kind: 'list',
    hint: 'MODEL',
    parse: parseModelName,
    fallbackHelp: 'all of them',
    help: 'add: the only models that the key runs; it changes nothing that is stored',
    commands: ['key'],
  }),
  rate: option({
    flag: 'rate',
    env: 'OLLANA_RATE',
    kind: 'value',
    hint: 'N/min',
    parse: parseRate,
    fallbackHelp: 'any number',
    help: 'add: how many requests the key may send, such as 60/min (s, min, h, d)',
    commands: ['key'],
  }),
  manage: option({
    flag: 'manage',
    env: 'OLLANA_MANAGE',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'allow, pair: the other device may also pull, push, create, copy and delete models here',
    commands: ['device'],
  }),
  readOnly: option({
    flag: 'read-only',
    env: 'OLLANA_READ_ONLY',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'allow, pair: the other device may read lists here, and run nothing',
    commands: ['device'],
  }),
  keep: option({
    flag: 'keep',
    env: 'OLLANA_KEEP',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'have the server there again after a restart of ollana',
    commands: ['add'],
  }),
  seconds: option({
    flag: 'seconds',
    env: 'OLLANA_SECONDS',
    kind: 'value',
    hint: 'N',
    parse: parseCount(1, 3600),
    fallbackHelp: '3; with --watch until Ctrl-C',
    help: 'how long to listen',
    commands: ['discover'],
  }),
  watch: option({
    flag: 'watch',
    env: 'OLLANA_WATCH',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'a line for every change; with --json a line of JSON',
    commands: ['discover', 'health'],
  }),
  explain: option({
    flag: 'explain',
    env: 'OLLANA_EXPLAIN',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'only say what a firewall must let pass, with the commands for it',
    commands: ['discover'],
  }),
});
