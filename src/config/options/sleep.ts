import { option } from '../option.ts';
import { parseCommand, parseDuration, parseSwitch } from '../values.ts';

/** Machines that sleep while nobody needs them. */
export const SLEEP_OPTIONS = Object.freeze({
  wake: option({
    flag: 'wake',
    env: 'OLLANA_WAKE',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'wake a sleeping server by Wake-on-LAN when nobody else has the model; the request waits up to 90 s for it',
    commands: ['client'],
  }),
  idleCommand: option({
    flag: 'idle-command',
    env: 'OLLANA_IDLE_COMMAND',
    kind: 'value',
    hint: 'COMMAND',
    parse: parseCommand,
    fallbackHelp: 'none',
    help: 'what the shell runs, as the user ollana runs as, when nothing has been asked for a while: systemctl suspend',
    commands: ['serve'],
  }),
  idleAfterMs: option({
    flag: 'idle-after',
    env: 'OLLANA_IDLE_AFTER',
    kind: 'value',
    hint: 'TIME',
    parse: (text) => parseDuration(text, 1000),
    fallback: '30m',
    help: 'how long that is; a bare number is seconds',
    commands: ['serve'],
  }),
});
