import { nearest } from '../config/nearest.ts';
import { type Command, MODEL_COMMANDS, type Option } from '../config/option.ts';
import { OPTIONS, optionsOf } from '../config/options.ts';
import { type Flags, quote } from '../config/pick.ts';
import { OllanaError } from '../errors.ts';
import { COMMAND_TEXTS } from './command-texts.ts';

/** What the user typed, in order: the command, and its arguments wherever they stood. */
export interface Invocation {
  readonly command: Command;
  readonly args: readonly string[];
}

/** All but the one without a name. */
export const COMMANDS: readonly Command[] = (Object.keys(COMMAND_TEXTS) as Command[]).filter(
  (command) => command !== 'client',
);
/** Those that are about one model, which they are told without a flag. */
const ABOUT_A_MODEL: ReadonlySet<Command> = new Set(MODEL_COMMANDS);
/** Those that are about one server, told likewise, and what it is called in their usage. */
const ABOUT_A_SERVER: Partial<Readonly<Record<Command, string>>> = { add: 'URL', remove: 'NAME' };
/** Those that are told an action and what it is about. */
const ABOUT_WORDS: Partial<Readonly<Record<Command, string>>> = {
  key: 'key',
  device: 'device',
  config: 'action',
  port: 'action',
  service: 'action',
  completion: 'shell',
  why: 'request id',
  benchmark: 'model',
};
/** `key ACTION NAME`, `device ACTION WHAT`. */
const MOST_WORDS = 2;
/** More models than anybody types, and as many as a benchmark takes. */
const MOST_MODELS = 200;
/** A URL and a name; what is longer was pasted by mistake. */
const LONGEST_SERVER = 2048;
/** Ollama's longest: host and namespace of 350 and 80 characters, model and tag of 80 each, and what separates them. */
const LONGEST_MODEL = 600;
const EVERY: readonly Option[] = Object.values<Option>(OPTIONS);

/**
 * Finds the command among the arguments; options may stand before it (citty would drop those). Pure.
 * Throws OLLANA_BAD_OPTION naming the nearest command.
 */
export function findCommand(argv: readonly string[]): Invocation {
  const at = argv.findIndex((arg, index) => !arg.startsWith('-') && !takesNext(argv[index - 1]));
  const word = argv[at];
  if (word === undefined || argv.slice(0, at).includes('--')) return { command: 'client', args: argv };
  const rest = [...argv.slice(0, at), ...argv.slice(at + 1)];
  if (word === 'help') return { ...findCommand(rest), args: ['--help'] };
  const command = COMMANDS.find((known) => known === word);
  if (command) return { command, args: rest };
  // After a flag that is none, the word is more likely its value: let the flag be what is reported.
  if (argv.slice(0, at).some((arg) => !isKnown(arg))) return { command: 'client', args: argv };
  throw badUsage(`unknown command ${quote(word)}: ${meant(nearest(word, [...COMMANDS, 'help']), '')}`);
}

/** Flags as typed, and whether help or the version was asked for instead of a run. */
export interface FlagsRead {
  readonly flags: Flags;
  readonly wants?: 'help' | 'version';
  /** MODEL, for the commands that take one. */
  readonly model?: string;
  /** URL[=NAME] or NAME as typed, for the commands about a server. */
  readonly server?: string;
  /** ACTION and what it is about as typed, for `key` and `device`. */
  readonly words?: readonly string[];
  /** The program and its arguments, untouched, for `run`. */
  readonly program?: readonly string[];
}

/**
 * Reads a command's flags: `--key value`, `--key=value`, `--no-key` for switches, `-d`. Values stay text. Pure.
 * Throws OLLANA_BAD_OPTION for what is no option of this command, naming the nearest one, and for a MODEL or server
 * that is missing or one too many.
 */
export function readFlags(command: Command, typed: readonly string[]): FlagsRead {
  const { args, program } = command === 'run' ? splitProgram(typed) : { args: typed };
  const wants = wanted(args);
  if (wants) return { flags: {}, wants };
  const flags: Record<string, string | boolean | readonly string[]> = {};
  let model: string | undefined;
  let server: string | undefined;
  const words: string[] = [];
  const called = ABOUT_A_SERVER[command];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? '';
    if (model === undefined && ABOUT_A_MODEL.has(command) && !arg.startsWith('-')) {
      model = checkedModel(command, arg);
      continue;
    }
    if (server === undefined && called !== undefined && !arg.startsWith('-')) {
      server = checkedServer(command, arg);
      continue;
    }
    const mostWords = command === 'benchmark' ? MOST_MODELS : MOST_WORDS;
    if (ABOUT_WORDS[command] !== undefined && words.length < mostWords && !arg.startsWith('-')) {
      words.push(checkedServer(command, arg));
      continue;
    }
    const { flag, value, consumed } = readFlag(command, args, index);
    const { kind } = flag;
    const before = flags[flag.flag];
    flags[flag.flag] = kind === 'list' ? [...(Array.isArray(before) ? before : []), String(value)] : value;
    index += consumed;
  }
  if (program?.length === 0) throw badSubject(command, 'APP is missing');
  if (ABOUT_A_MODEL.has(command) && model === undefined) throw badSubject(command, 'MODEL is missing');
  if (called !== undefined && server === undefined) throw badSubject(command, `${called} is missing`);
  return {
    flags,
    ...(model === undefined ? {} : { model }),
    ...(server === undefined ? {} : { server }),
    ...(ABOUT_WORDS[command] === undefined ? {} : { words }),
    ...(program === undefined ? {} : { program }),
  };
}

/** Whatever stands after the program is the program's, be it called as our own options are. */
function splitProgram(typed: readonly string[]): { args: readonly string[]; program: readonly string[] } {
  const at = typed.findIndex(
    (arg, index) => arg === '--' || (!arg.startsWith('-') && !takesNext(typed[index - 1])),
  );
  if (at < 0) return { args: typed, program: [] };
  return { args: typed.slice(0, at), program: typed.slice(typed[at] === '--' ? at + 1 : at) };
}

/** A name may hold blanks; what no name and no URL holds is refused here. */
function checkedServer(command: Command, text: string): string {
  if (text.trim() !== '' && text.length <= LONGEST_SERVER && !/\p{C}/u.test(text)) return text;
  throw badSubject(command, `${quote(text)} is no ${ABOUT_WORDS[command] ?? 'server'}`);
}

/** Whether there is such a model, servers know; that no name looks like this, we do. */
function checkedModel(command: Command, text: string): string {
  if (text !== '' && text.length <= LONGEST_MODEL && !/[\s\p{C}]/u.test(text)) return text;
  throw badSubject(command, `${quote(text)} is no name of a model`);
}

function badSubject(command: Command, what: string): OllanaError {
  return badUsage(`${what}: usage: ${COMMAND_TEXTS[command].usage}`);
}

function readFlag(command: Command, args: readonly string[], index: number) {
  const arg = args[index] ?? '';
  const [, dashes = '', name = '', inline] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
  if (dashes === '' || name === '')
    throw badUsage(`unexpected argument ${quote(arg)}: see ${call(command)} --help`);
  const flag = lookUp(dashes, name, command);
  const negated = flag
    ? undefined
    : dashes === '--' && name.startsWith('no-')
      ? lookUp('--', name.slice(3), command)
      : undefined;
  const option = flag ?? negated;
  if (!option) throw unknownFlag(command, `${dashes}${name}`);
  if (!option.commands.includes(command)) throw notHere(command, `${dashes}${name}`, option);
  if (negated) {
    if (option.kind !== 'switch')
      throw badUsage(`unknown option "--${name}": --${option.flag} cannot be turned off`);
    if (inline !== undefined)
      throw badUsage(`${dashes}${name} takes no value: leave out ${quote(`=${inline}`)}`);
    return { flag: option, value: false, consumed: 0 };
  }
  if (inline !== undefined) return { flag: option, value: inline, consumed: 0 };
  if (option.kind === 'switch') return { flag: option, value: true, consumed: 0 };
  const next = args[index + 1];
  if (next === undefined || !isValue(next))
    throw badUsage(`--${option.flag} needs a value: give --${option.flag} ${option.hint}`);
  return { flag: option, value: next, consumed: 1 };
}

/** Some flags mean one thing to one command and another to others. */
function lookUp(dashes: string, name: string, command?: Command): Option | undefined {
  const called = EVERY.filter(({ flag, short }) => (dashes === '--' ? flag === name : short === name));
  return called.find(({ commands }) => command && commands.includes(command)) ?? called[0];
}

/** Whether an argument before the command is an option of some command, or the value of one. */
function isKnown(arg: string): boolean {
  const [, dashes, name = ''] = /^(--?)(?:no-)?([^=]*)/.exec(arg) ?? [];
  return dashes === undefined || lookUp(dashes, name) !== undefined;
}

/** A negative number is a value (that its option then refuses by name); any other dash begins a flag. */
const isValue = (arg: string): boolean => !arg.startsWith('-') || /^-\d/.test(arg);

function takesNext(arg: string | undefined): boolean {
  const option = arg?.startsWith('--') && !arg.includes('=') ? lookUp('--', arg.slice(2)) : undefined;
  return option !== undefined && option.kind !== 'switch';
}

function wanted(args: readonly string[]): 'help' | 'version' | undefined {
  const end = args.indexOf('--');
  const before = end < 0 ? args : args.slice(0, end);
  if (before.includes('--help') || before.includes('-h')) return 'help';
  return before.includes('--version') || before.includes('-v') ? 'version' : undefined;
}

function unknownFlag(command: Command, typed: string): OllanaError {
  const known = optionsOf(command).flatMap(({ flag, kind }) =>
    kind === 'switch' ? [flag, `no-${flag}`] : [flag],
  );
  const near = nearest(typed.replace(/^-+/, ''), [...known, 'help', 'version']);
  return badUsage(`unknown option ${quote(typed)}: ${meant(near, '--', command)}`);
}

function notHere(command: Command, typed: string, option: Option): OllanaError {
  const homes = option.commands.map((home) => quote(call(home))).join(', ');
  return badUsage(`${quote(call(command))} has no option ${typed}: it belongs to ${homes}`);
}

const call = (command: Command): string => (command === 'client' ? 'ollana' : `ollana ${command}`);
const meant = (near: string | undefined, dashes: string, command: Command = 'client'): string =>
  near ? `did you mean ${dashes}${near}?` : `see ${call(command)} --help`;
const badUsage = (message: string): OllanaError => new OllanaError('OLLANA_BAD_OPTION', message);
