import { parseOllamaHost } from './ollama-host.ts';
import type { Command, Option } from './option.ts';
import { parseServerAddress } from './server-address.ts';
import {
  parseChoice,
  parseDuration,
  parseHost,
  parseInterface,
  parseName,
  parseOrigin,
  parsePath,
  parsePort,
  parseSwitch,
} from './values.ts';

/** Keeps the value's type while the row is checked against the shape of an option. */
const option = <T>(row: Option<T>): Option<T> => Object.freeze(row);
/** The value is checked but kept as typed. */
const asTyped =
  (check: (text: string) => unknown) =>
  (text: string): string => {
    check(text);
    return text;
  };

/** Which servers there are, the running daemon knows: any text may be the name of one. */
function parseServerChoice(text: string): string {
  if (text === '') throw new RangeError('name a server, as `ollana status` shows it');
  return text;
}

const DAEMONS = ['client', 'serve'] as const;
const RUNNING = ['client', 'serve', 'demo'] as const;
const MODEL_COMMANDS = ['pull', 'rm', 'unload'] as const;

/** Every option there is, in the order in which `--help` lists them. */
export const OPTIONS = Object.freeze({
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
  servers: option({
    flag: 'server',
    env: 'OLLANA_SERVER',
    kind: 'list',
    hint: 'URL[=NAME]',
    parse: asTyped(parseServerAddress),
    help: 'a server that discovery cannot see: ollana or plain Ollama',
    commands: ['client', 'demo'],
  }),
  serverFile: option({
    flag: 'server-file',
    env: 'OLLANA_SERVER_FILE',
    kind: 'value',
    hint: 'FILE',
    parse: parsePath,
    help: 'servers, one URL[=NAME] a line, # comments; watched for changes',
    commands: ['client', 'demo'],
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
    commands: RUNNING,
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
  connectTimeoutMs: option({
    flag: 'connect-timeout',
    env: 'OLLANA_CONNECT_TIMEOUT',
    kind: 'value',
    hint: 'TIME',
    // Below a millisecond no connection is ever made.
    parse: (text) => parseDuration(text, 1),
    fallback: '2s',
    help: 'how long connecting to a server may take; a bare number is seconds',
    commands: RUNNING,
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
  discoveryPort: option({
    flag: 'discovery-port',
    env: 'OLLANA_DISCOVERY_PORT',
    kind: 'value',
    hint: 'N',
    parse: (text) => parsePort(text),
    fallback: '11436',
    help: 'UDP port of discovery; the same on all machines',
    commands: RUNNING,
  }),
  interfaces: option({
    flag: 'interface',
    env: 'OLLANA_INTERFACE',
    kind: 'list',
    hint: 'NAME',
    parse: parseInterface,
    fallbackHelp: 'all',
    help: 'network interface that discovery may use; lo alone stays on this machine',
    commands: RUNNING,
  }),
  udp: option({
    flag: 'udp',
    env: 'OLLANA_UDP',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'true',
    help: 'no discovery by UDP broadcast',
    commands: RUNNING,
  }),
  mdns: option({
    flag: 'mdns',
    env: 'OLLANA_MDNS',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'true',
    help: 'no discovery by mDNS',
    commands: RUNNING,
  }),
  dataDir: option({
    flag: 'data-dir',
    env: 'OLLANA_DATA_DIR',
    kind: 'value',
    hint: 'DIR',
    parse: parsePath,
    fallbackHelp: "the platform's place for application data",
    help: 'where ollana keeps its files, and finds a running ollana',
    commands: [...RUNNING, 'status', ...MODEL_COMMANDS, 'models'],
  }),
  logLevel: option({
    flag: 'log-level',
    env: 'OLLANA_LOG_LEVEL',
    kind: 'value',
    hint: 'LEVEL',
    parse: parseChoice(['debug', 'info', 'warn', 'error', 'silent']),
    fallback: 'info',
    help: 'debug, info, warn, error or silent',
    commands: RUNNING,
  }),
  logFile: option({
    flag: 'log-file',
    env: 'OLLANA_LOG_FILE',
    kind: 'value',
    hint: 'FILE',
    parse: parsePath,
    fallbackHelp: 'stderr; with -d a file in the data directory',
    help: 'write the log to this file',
    commands: RUNNING,
  }),
  background: option({
    flag: 'daemon',
    short: 'd',
    env: 'OLLANA_DAEMON',
    kind: 'switch',
    parse: parseSwitch,
    fallback: 'false',
    help: 'run in the background; returns when the port is bound',
    commands: DAEMONS,
  }),
  pidFile: option({
    flag: 'pid',
    env: 'OLLANA_PID',
    kind: 'value',
    hint: 'FILE',
    parse: parsePath,
    fallbackHelp: 'with -d a file in the runtime directory',
    help: 'write the process id to this file; one ollana per file',
    commands: DAEMONS,
  }),
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

/** The options of one command, in help order. */
export function optionsOf(command: Command): readonly Option[] {
  return Object.values<Option>(OPTIONS).filter(({ commands }) => commands.includes(command));
}
