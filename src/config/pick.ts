import { OllanaError } from '../errors.ts';
import type { Option } from './option.ts';

/**
 * Flags as typed, by flag name without dashes (`port`, `server`): text, several texts for a list, or a boolean
 * for a switch. Text is read by the option's own parser.
 */
export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** One thing the user said: the text and who said it (`--port` or `OLLANA_PORT`). */
interface Said {
  readonly text: string;
  readonly source: string;
}

/** What a file sets one option to. */
export interface SaidInFile {
  readonly texts: readonly string[];
  /** `FILE:LINE`. */
  readonly source: string;
}

/** Where option values come from: flags before the environment, that before the file. */
export interface Sources {
  readonly flags: Flags;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By flag; absent where there is no file. */
  readonly file?: { readonly said: ReadonlyMap<string, SaidInFile> } | undefined;
}

/** Who said an option's value: `--port`, `OLLANA_PORT`, `FILE:LINE`; undefined: nobody, so it is the default. */
export function saidBy(option: Option, sources: Sources): string | undefined {
  return allSaid(option, sources).at(-1)?.source;
}

/** The option's value as the user gave it, or undefined. Throws OLLANA_BAD_OPTION. */
export function pickGiven<T>(option: Option<T>, sources: Sources): T | undefined {
  // The last flag counts, as everywhere.
  const said = allSaid(option, sources).at(-1);
  return said && readValue(option, said);
}

/** The option's value: flag, else variable, else file, else default. Throws OLLANA_BAD_OPTION. */
export function pick<T>(option: Option<T> & { readonly fallback?: string }, sources: Sources): T {
  const given = pickGiven(option, sources);
  if (given !== undefined) return given;
  return option.parse(option.fallback ?? '');
}

/** The values of a list option, duplicates dropped, frozen; empty when none is given. Throws OLLANA_BAD_OPTION. */
export function pickList<T>(option: Option<T>, sources: Sources): readonly T[] {
  const values = allSaid(option, sources).flatMap(({ text, source }) =>
    splitList(text).map((part) => readValue(option, { text: part, source })),
  );
  return Object.freeze([...new Set(values)]);
}

/** Reads one text by the option's parser. Throws OLLANA_BAD_OPTION naming the option, the value and its source. */
export function readValue<T>(option: Pick<Option<T>, 'flag' | 'parse'>, { text, source }: Said): T {
  try {
    return option.parse(text.trim());
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new OllanaError(
      'OLLANA_BAD_OPTION',
      `bad ${option.flag} ${quote(text)} from ${source}: ${plain(error.message)}`,
    );
  }
}

/** The parts of a comma list; blanks around them and empty parts do not count. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Any text, safe to print on one line and short enough to leave room for what is wrong with it. */
export function quote(text: string): string {
  const safe = plain(text);
  return `"${safe.length > 80 ? `${safe.slice(0, 77)}...` : safe}"`;
}

/** Nothing that steers a terminal, or begins another line there. */
function plain(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
}

function allSaid(option: Option, { flags, env, file }: Sources): Said[] {
  const flag = flags[option.flag];
  if (flag !== undefined) {
    const texts = typeof flag === 'object' ? flag : [String(flag)];
    return texts.map((text) => ({ text, source: `--${option.flag}` }));
  }
  const variable = env[option.env];
  // Set but empty is how environment files and compose files say "not set".
  if (variable !== undefined && variable.trim() !== '') return [{ text: variable, source: option.env }];
  const inFile = file?.said.get(option.flag);
  return (inFile?.texts ?? []).map((text) => ({ text, source: inFile?.source ?? '' }));
}
