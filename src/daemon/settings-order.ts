import { FILE_OPTIONS, textsOf } from '../config/file-values.ts';
import { nearest } from '../config/nearest.ts';
import type { Option } from '../config/option.ts';
import { OPTIONS } from '../config/options.ts';
import { quote } from '../config/pick.ts';
import type { TomlSetting } from '../config/toml-edit.ts';
import { parsePath } from '../config/values.ts';

/** One option that is to be set, or taken back. */
export interface SettingOrder {
  /** The flag without dashes, which is the key in the file. */
  readonly option: string;
  /** The member of a configuration. */
  readonly key: string;
  /** As it is to stand in the file; undefined takes it out. */
  readonly value: TomlSetting | undefined;
}

/** Why one option cannot be set so. */
export interface SettingMistake {
  readonly option: string;
  readonly value: unknown;
  /** What would be right. */
  readonly allowed: string;
}

/** Whether an option of a daemon of this mode may be set from its page. Pure. */
export function isSettable(option: Option, mode: 'client' | 'server'): boolean {
  return FILE_OPTIONS.includes(option) && isFor(option, mode) && option.parse !== parsePath;
}

/**
 * Reads `{"option": value or null}`: names and values as `GET /dashboard/api/settings` tells them, so that the number of
 * a time is one of milliseconds; a text is read as in a file. Pure.
 */
export function readOrders(
  body: Readonly<Record<string, unknown>>,
  mode: 'client' | 'server',
): { readonly orders: readonly SettingOrder[]; readonly mistakes: readonly SettingMistake[] } {
  const orders: SettingOrder[] = [];
  const mistakes: SettingMistake[] = [];
  for (const [name, value] of Object.entries(body)) {
    const [key, option] = Object.entries<Option>(OPTIONS).find(
      ([, one]) => one.flag === name && FILE_OPTIONS.includes(one),
    ) ?? ['', undefined];
    const why = whyNot(name, option, mode);
    if (!option || why !== undefined) mistakes.push({ option: name, value, allowed: why ?? '' });
    else if (value === null) orders.push({ option: name, key, value: undefined });
    else {
      try {
        orders.push({ option: name, key, value: settingOf(key, option, value) });
      } catch (error) {
        mistakes.push({ option: name, value, allowed: (error as Error).message });
      }
    }
  }
  return { orders, mistakes };
}

/** One line for all mistakes. Pure. */
export function mistakeText(mistakes: readonly SettingMistake[]): string {
  return mistakes
    .map(({ option, value, allowed }) => {
      const said = typeof value === 'string' ? quote(value) : quote(JSON.stringify(value)).slice(1, -1);
      return `bad ${quote(option).slice(1, -1)} ${said}: ${allowed}`;
    })
    .join('; ');
}

const isFor = ({ commands }: Option, mode: 'client' | 'server'): boolean =>
  commands.includes(mode === 'server' ? 'serve' : 'client');

function whyNot(name: string, option: Option | undefined, mode: 'client' | 'server'): string | undefined {
  if (option && isSettable(option, mode)) return undefined;
  if (option && !isFor(option, mode))
    return `there is no such option in ${mode} mode: set it where an ollana runs that has it`;
  // Whoever reaches this page need not be the user whose files those are.
  if (option) return 'it names a file: set it in config.toml, or by its flag, as the user who runs ollana';
  const names = FILE_OPTIONS.filter((one) => isSettable(one, mode)).map(({ flag }) => flag);
  const near = nearest(name, names);
  return `there is no such option: ${near ? `did you mean ${near}?` : '`ollana config` lists them'}`;
}

/** Throws RangeError saying what would be right. */
function settingOf(key: string, option: Option, value: unknown): TomlSetting {
  const isTime = key.endsWith('Ms');
  const meant = isTime && typeof value === 'number' ? timeText(value) : value;
  const texts = textsOf(option, meant);
  if (texts === undefined) throw new RangeError(right(option, isTime));
  for (const text of texts) check(option, text);
  if (option.kind === 'switch') return meant === true;
  if (option.kind === 'list') return texts;
  const [text = ''] = texts;
  return !isTime && String(option.parse(text.trim())) === text && typeof option.parse(text) === 'number'
    ? Number(text)
    : text;
}

function check(option: Option, text: string): void {
  try {
    option.parse(text.trim());
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(option.kind === 'list' ? `${quote(text)}: ${error.message}` : error.message);
  }
}

/** `90s`, `1500ms`: as a file has a time. */
function timeText(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < 0) return String(ms);
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function right({ kind, hint = 'TEXT', fallback }: Option, isTime: boolean): string {
  if (kind === 'switch') return 'give true or false';
  if (kind === 'list') return `give a list of texts such as ["${hint}"]`;
  if (isTime) return 'give a number of milliseconds, or a text such as "30s"';
  return `give a text such as ${JSON.stringify(fallback || hint)}`;
}
