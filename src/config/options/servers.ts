import { parseOllamaHost } from '../ollama-host.ts';
import { LISTENING, option, RUNNING } from '../option.ts';
import { parseServerAddress } from '../server-address.ts';
import { asTyped, parseDuration, parsePath, parseSwitch } from '../values.ts';

/** Which servers there are beside those discovered, and when one is given up. */
export const SERVER_OPTIONS = Object.freeze({
  servers: option({
    flag: 'server',
    env: 'OLLANA_SERVER',
    kind: 'list',
    hint: 'URL[=NAME]',
    parse: asTyped(parseServerAddress),
    help: 'a server that discovery cannot see: ollana or plain Ollama',
    commands: LISTENING,
  }),
  serverFile: option({
    flag: 'server-file',
    env: 'OLLANA_SERVER_FILE',
    kind: 'value',
    hint: 'FILE',
    parse: parsePath,
    help: 'servers, one URL[=NAME] a line, # comments; watched for changes',
    commands: LISTENING,
  }),
  ollama: option({
    flag: 'ollama',
    env: 'OLLANA_OLLAMA',
    kind: 'value',
    hint: 'URL',
    parse: (text) => parseOllamaHost(text, 'refuse'),
    fallback: 'http://127.0.0.1:11434',
    fallbackHelp: 'OLLAMA_HOST, else http://127.0.0.1:11434',
    help: "this machine's own Ollama",
    commands: [...RUNNING, 'doctor'],
  }),
  localFallback: option({
    flag: 'local-fallback',
    env: 'OLLANA_LOCAL_FALLBACK',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'true',
    help: "do not use this machine's own Ollama when no server can take a request",
    commands: ['client', 'demo'],
  }),
  connectTimeoutMs: option({
    flag: 'connect-timeout',
    env: 'OLLANA_CONNECT_TIMEOUT',
    kind: 'value',
    hint: 'TIME',
    // Below a millisecond no connection is ever made.
    parse: (text) => parseDuration(text, 1),
    fallback: '2s',
    help: 'how long connecting to a server may take; a bare number is seconds',
    commands: LISTENING,
  }),
  silenceTimeoutMs: option({
    flag: 'silence-timeout',
    env: 'OLLANA_SILENCE_TIMEOUT',
    kind: 'value',
    hint: 'TIME',
    parse: (text) => parseDuration(text),
    fallback: '0',
    help: 'silence after which a server is given up; 0 leaves that to probing, so that loading a model may take its time',
    commands: RUNNING,
  }),
});
