import { DAEMONS, option, RUNNING } from '../option.ts';
import { parseChoice, parseHost, parseName, parseOrigin, parsePort } from '../values.ts';

/** Where ollana listens, as whom, and for whom. */
export const FACE_OPTIONS = Object.freeze({
  host: option({
    flag: 'host',
    env: 'OLLANA_HOST',
    kind: 'value',
    hint: 'ADDRESS',
    parse: parseHost,
    fallbackHelp: '127.0.0.1, with serve 0.0.0.0',
    help: 'address to listen on',
    commands: RUNNING,
  }),
  port: option({
    flag: 'port',
    env: 'OLLANA_PORT',
    kind: 'value',
    hint: 'N',
    parse: (text) => parsePort(text, 0),
    fallback: '11435',
    help: 'TCP port to listen on; 0 takes any free one',
    commands: RUNNING,
  }),
  name: option({
    flag: 'name',
    env: 'OLLANA_NAME',
    kind: 'value',
    hint: 'NAME',
    parse: parseName,
    fallbackHelp: 'the host name',
    help: 'what others see this machine as',
    commands: DAEMONS,
  }),
  allow: option({
    flag: 'allow',
    env: 'OLLANA_ALLOW',
    kind: 'list',
    hint: 'manage',
    parse: parseChoice(['manage']),
    fallbackHelp: 'inference and reading only',
    help: 'let peers pull, push, create, copy and delete models',
    commands: ['serve'],
  }),
  origins: option({
    flag: 'origins',
    env: 'OLLANA_ORIGINS',
    kind: 'list',
    hint: 'ORIGIN',
    parse: parseOrigin,
    fallbackHelp: 'as Ollama; OLLAMA_ORIGINS is heeded too',
    help: 'web origins whose pages may use this machine, * for all',
    commands: RUNNING,
  }),
});
