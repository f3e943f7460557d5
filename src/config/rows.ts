import { type ClientConfig, DEFAULTS, resolveConfig, type ServerConfig } from '../config.ts';
import type { Told } from './file.ts';
import type { Option } from './option.ts';
import { OPTIONS } from './options.ts';
import { saidBy } from './pick.ts';
import type { Substitution } from './substitute.ts';

/** One option as a start would have it. */
export interface ConfigRow {
  /** The flag without dashes, which is the key in the file. */
  readonly option: string;
  /** For which of the two the row is; `both` where they have the same. */
  readonly mode: 'client' | 'serve' | 'both';
  /** Text, number, true or false, or a list of texts; null: not set, and found out or left out. */
  readonly value: string | number | boolean | readonly string[] | null;
  /** Of a number that has one. */
  readonly unit: 'ms' | null;
  /** `--flag`, the name of a variable, `FILE:LINE`, or `default`. */
  readonly source: string;
}

type Values = Readonly<Record<string, unknown>>;

/**
 * Every option of the daemons with its value and who said it, in the order of `--help`. Pure. Throws OLLANA_BAD_OPTION
 * like a start.
 */
export function configRows(told: Told): readonly ConfigRow[] {
  const client: ClientConfig = resolveConfig({ ...told, mode: 'client' });
  const server: ServerConfig = resolveConfig({ ...told, mode: 'server' });
  return Object.entries<Option>(OPTIONS).flatMap(([key, option]) => {
    const isFor = (command: 'client' | 'serve') => option.commands.includes(command);
    const row = (mode: ConfigRow['mode'], config: Values): ConfigRow => ({
      option: option.flag,
      mode,
      value: shown(option, config[key]),
      // Every time is a whole number of milliseconds, and its name says so.
      unit: key.endsWith('Ms') ? 'ms' : null,
      source: sourceOf(option, told, config[key]),
    });
    if (option === OPTIONS.config || !(isFor('client') || isFor('serve'))) return [];
    const ours = { ...client } as Values;
    const theirs = { ...server } as Values;
    if (!isFor('serve')) return [row('client', ours)];
    if (!isFor('client')) return [row('serve', theirs)];
    if (JSON.stringify(plain(ours[key])) === JSON.stringify(plain(theirs[key]))) return [row('both', ours)];
    return [row('client', ours), row('serve', theirs)];
  });
}

/** Who said the value of an option, as `ConfigRow` has it. Pure. */
export function sourceOf(option: Option, told: Told, value: unknown): string {
  const said = saidBy(option, told);
  const { OLLAMA_HOST: host, OLLAMA_ORIGINS: origins } = told.env;
  // Ollama's own variables count, too.
  if (option === OPTIONS.origins && origins?.trim())
    return said ? `OLLAMA_ORIGINS, ${said}` : 'OLLAMA_ORIGINS';
  if (option === OPTIONS.ollama && !said && host?.trim() && value !== DEFAULTS.ollama) return 'OLLAMA_HOST';
  return said ?? 'default';
}

/** The value of an option in a configuration as JSON has it; a switch that is left out where it is off, is off. Pure. */
export function shown({ kind, fallback }: Option, value: unknown): ConfigRow['value'] {
  return value === undefined && kind === 'switch' && fallback === 'false' ? false : plain(value);
}

function plain(value: unknown): ConfigRow['value'] {
  if (value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value instanceof Set || Array.isArray(value)) return [...value].map(String);
  const { sameFamily, pairs } = value as Substitution;
  return [...pairs.map(({ wanted, other }) => `${wanted}=${other}`), ...(sameFamily ? ['same-family'] : [])];
}
