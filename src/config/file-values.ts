import { nearest } from './nearest.ts';
import { DAEMONS, type Option } from './option.ts';
import { OPTIONS } from './options.ts';
import { pathsOf } from './paths.ts';
import { quote, readValue, type SaidInFile } from './pick.ts';
import type { Surroundings } from './surroundings.ts';
import { readToml } from './toml.ts';
import { parsePath } from './values.ts';

/** A `config.toml` that has been read. */
export interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  /** By flag: what the file sets, where it is understood. */
  readonly said: ReadonlyMap<string, SaidInFile>;
  /** Each in one line that names the file, the line, the key and what to do; empty when all is well. */
  readonly mistakes: readonly string[];
}

/** The options that a file may set: those of the daemons, except the one that names the file. */
export const FILE_OPTIONS: readonly Option[] = Object.values<Option>(OPTIONS).filter(
  (option) => DAEMONS.some((daemon) => option.commands.includes(daemon)) && option.flag !== 'config',
);

/**
 * Reads the text of a `config.toml`: keys are the flags without dashes. Relative paths are relative to the file, and
 * `~/` is the user's home. Pure.
 */
export function readConfigText(
  text: string,
  path: string,
  here: Pick<Surroundings, 'platform' | 'homedir'>,
): ConfigFile {
  const { entries, mistakes: broken } = readToml(text);
  const said = new Map<string, SaidInFile>();
  const mistakes = broken.map(({ line, what }) => ({
    line,
    text: `${path}:${line}: no TOML: ${what}; correct this line`,
  }));
  for (const { key, value, line } of entries) {
    const source = `${path}:${line}`;
    const option = FILE_OPTIONS.find(({ flag }) => flag === key);
    if (!option) {
      mistakes.push({ line, text: `${source}: ${unknown(key, value)}` });
      continue;
    }
    const texts = textsOf(option, value);
    const wrong = texts === undefined ? wrongType(option, value) : undefined;
    if (wrong !== undefined) mistakes.push({ line, text: `${source}: ${wrong}` });
    const placed = (texts ?? []).map((one) => (option.parse === parsePath ? place(one, path, here) : one));
    try {
      for (const one of placed) readValue(option, { text: one, source });
    } catch (error) {
      mistakes.push({ line, text: (error as Error).message });
      continue;
    }
    if (wrong === undefined) said.set(option.flag, { texts: placed, source });
  }
  mistakes.sort((a, b) => a.line - b.line);
  return { path, said, mistakes: mistakes.map((one) => one.text) };
}

/** The texts that a value means, each to be read by the option's parser; undefined for a value of a wrong type. Pure. */
export function textsOf({ kind, parse }: Option, value: unknown): readonly string[] | undefined {
  if (kind === 'switch') return typeof value === 'boolean' ? [String(value)] : undefined;
  if (typeof value === 'string') return [value];
  if (kind === 'list')
    return Array.isArray(value) && value.every((part) => typeof part === 'string') ? value : undefined;
  if (typeof value !== 'number') return undefined;
  return isText(parse, String(value)) ? undefined : [String(value)];
}

/** Whether an option that was given a number makes a text of it. */
function isText(parse: Option['parse'], text: string): boolean {
  try {
    return typeof parse(text) === 'string';
  } catch {
    return false; // Its own parser says what would be right.
  }
}

function wrongType({ flag, kind, hint = 'TEXT', fallback }: Option, value: unknown): string {
  const is = Array.isArray(value)
    ? 'a list'
    : value instanceof Date
      ? 'a date'
      : typeof value === 'object'
        ? 'a table'
        : { string: 'a text', number: 'a number', boolean: 'true or false' }[String(typeof value)];
  const right =
    kind === 'switch'
      ? `${flag} = true or ${flag} = false`
      : kind === 'list'
        ? `${flag} = ["${hint}", ...]`
        : `${flag} = "${fallback || hint}"`;
  return `bad ${flag}: ${is ?? typeof value} does not do here; write ${right}`;
}

function unknown(key: string, value: unknown): string {
  const flags = FILE_OPTIONS.map(({ flag }) => flag);
  const shown = quote(key).slice(1, -1);
  const isTable =
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
  if (isTable)
    return `unknown table [${shown}]: the file has no tables; write its keys alone, such as port = 11435`;
  const elsewhere = Object.values<Option>(OPTIONS).find(({ flag }) => flag === key && !flags.includes(key));
  if (elsewhere)
    return `${key} has no place in a file: it is an option of ${elsewhere.commands.map((name) => `\`ollana ${name === 'client' ? '' : name}\``.replace(' `', '`')).join(', ')}`;
  const positive = FILE_OPTIONS.find(({ flag, kind }) => kind === 'switch' && key === `no-${flag}`);
  if (positive) return `unknown key ${quote(key)}: write ${positive.flag} = false`;
  const variable = FILE_OPTIONS.find(({ env }) => env === key.toUpperCase());
  const near = variable?.flag ?? nearest(key.replaceAll('_', '-'), flags);
  return `unknown key ${quote(key)}: ${near ? `did you mean ${near}?` : 'take it out; `ollana config` lists the keys'}`;
}

function place(
  text: string,
  file: string,
  { platform, homedir }: Pick<Surroundings, 'platform' | 'homedir'>,
): string {
  const { resolve, dirname, join } = pathsOf(platform);
  if (text === '') return text; // Nothing is no path; the option's parser says so.
  if (/^~[/\\]/.test(text) && homedir !== '') return join(homedir, text.slice(2));
  return resolve(dirname(file), text);
}
