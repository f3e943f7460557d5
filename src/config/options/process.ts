import { DAEMONS, LOOKING, option, RUNNING } from '../option.ts';
import { parseChoice, parsePath, parseSwitch } from '../values.ts';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** The running process: its files, its log, the background. */
export const PROCESS_OPTIONS = Object.freeze({
  dataDir: option({
    flag: 'data-dir',
    env: 'OLLANA_DATA_DIR',
    kind: 'value',
    hint: 'DIR',
    parse: parsePath,
    fallbackHelp: "the platform's place for application data",
    help: 'where ollana keeps its files, and finds a running ollana',
    commands: [...RUNNING, ...LOOKING],
  }),
  config: option({
    flag: 'config',
    env: 'OLLANA_CONFIG',
    kind: 'value',
    hint: 'FILE',
    parse: parsePath,
    fallbackHelp: "config.toml in the platform's place for settings: `ollana config path`",
    help: 'the file of settings; its keys are these options without the dashes',
    commands: [...DAEMONS, ...LOOKING, 'config'],
  }),
  logLevel: option({
    flag: 'log-level',
    env: 'OLLANA_LOG_LEVEL',
    kind: 'value',
    hint: 'LEVEL',
    choices: LOG_LEVELS,
    parse: parseChoice(LOG_LEVELS),
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
});
