/** The commands of the command line; `client` is the one without a name. */
export type Command =
  | 'client'
  | 'serve'
  | 'status'
  | 'top'
  | 'health'
  | 'models'
  | 'pull'
  | 'rm'
  | 'unload'
  | 'add'
  | 'remove'
  | 'key'
  | 'device'
  | 'discover'
  | 'logs'
  | 'why'
  | 'usage'
  | 'benchmark'
  | 'demo'
  | 'config'
  | 'reload'
  | 'env'
  | 'run'
  | 'port'
  | 'doctor'
  | 'service'
  | 'update'
  | 'completion';

/** One option: everything that flags, variables, `--help` and validation need to know about it. */
export interface Option<T = unknown> {
  /** Without dashes; also the option's name in messages. */
  readonly flag: string;
  readonly short?: string;
  /** The environment variable; a list is separated by commas there. */
  readonly env: string;
  /** `switch`: present or `--no-`; `list`: repeatable, or separated by commas; `value`: the last one counts. */
  readonly kind: 'value' | 'list' | 'switch';
  /** Turns the text as typed into the value; throws RangeError saying what would be right. */
  readonly parse: (text: string) => T;
  /** What `--help` shows in place of the value. */
  readonly hint?: string;
  /** The words that it takes, where these are all; completion offers them. */
  readonly choices?: readonly string[];
  /** The default as text, read by `parse` like any other; absent where it depends on the surroundings. */
  readonly fallback?: string;
  /** What `--help` shows as default when there is no `fallback`, or more than it says. */
  readonly fallbackHelp?: string;
  /** For a switch that is on by default, what its `--no-` form does: that is the one worth showing. */
  readonly help: string;
  readonly commands: readonly Command[];
}

/** Keeps the value's type while the row is checked against the shape of an option. */
export const option = <T>(row: Option<T>): Option<T> => Object.freeze(row);

/** The commands that stay and serve, and with them the demo, which does so for a while. */
export const DAEMONS = ['client', 'serve'] as const;
export const RUNNING = ['client', 'serve', 'demo'] as const;
/** Those that look for a running daemon by its data directory. */
export const LOOKING = [
  'status',
  'top',
  'health',
  'models',
  'pull',
  'rm',
  'unload',
  'add',
  'remove',
  'key',
  'device',
  'discover',
  'logs',
  'why',
  'usage',
  'benchmark',
  'reload',
  'env',
  'run',
  'doctor',
] as const;
/** Those that listen to the network. */
export const LISTENING = [...RUNNING, 'discover'] as const;
/** Those about one model. */
export const MODEL_COMMANDS = ['pull', 'rm', 'unload'] as const;
