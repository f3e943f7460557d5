import { parse, stringify, TomlError } from 'smol-toml';

/** One key at the top of the file. */
export interface TomlEntry {
  readonly key: string;
  /** As TOML has it: text, number, boolean, date, array or table. */
  readonly value: unknown;
  /** Where its statement begins, from 1. */
  readonly line: number;
}

/** What is no TOML, and where. */
export interface TomlMistake {
  readonly line: number;
  readonly what: string;
}

/** Where a statement begins: `key =`, or `[table]`. Everything up to the next one belongs to it. */
const STATEMENT = /^\s*(?:\[|(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*\s*=)/;

/**
 * Reads TOML; knows the line of each key, and of a broken text all mistakes at once and the keys that can be read all
 * the same. Pure.
 */
export function readToml(text: string): {
  readonly entries: readonly TomlEntry[];
  readonly mistakes: readonly TomlMistake[];
} {
  const plain = text.replace(/^\uFEFF/, '');
  const found = new Map<string, TomlEntry>();
  const mistakes: TomlMistake[] = [];
  /** Keys of statements that cannot be read by themselves. */
  const begun = new Map<string, number>();
  // The parser tells no lines of what it could read, and one mistake at a time: so it gets a statement at a time.
  for (const { line, source } of statements(plain)) {
    const read = tryParse(source);
    if ('what' in read) {
      mistakes.push({ line: line + read.line - 1, what: read.what });
      const [, key] = /^\s*["']?([\w-]+)/.exec(source) ?? [];
      if (key !== undefined && !begun.has(key)) begun.set(key, line);
    }
    for (const [key, value] of 'table' in read ? Object.entries(read.table) : []) {
      const before = found.get(key);
      if (before) mistakes.push({ line, what: `${key} is set in line ${before.line} already` });
      else found.set(key, { key, value, line });
    }
  }
  // What the parser makes of the whole counts: a text over several lines may look like statements.
  const whole = tryParse(plain);
  if ('what' in whole)
    return { entries: [...found.values()], mistakes: mistakes.length > 0 ? mistakes : [whole] };
  const entries = Object.entries(whole.table);
  return {
    entries: entries.map(([key, value]) => ({
      key,
      value,
      line: found.get(key)?.line ?? begun.get(key) ?? 1,
    })),
    mistakes: [],
  };
}

/** The keys and values of a text. Throws an Error that says what is no TOML, and where. Pure. */
export function parseToml(text: string): Readonly<Record<string, unknown>> {
  return parse(text.replace(/^\uFEFF/, ''));
}

/** A value as it stands behind `key =`, on one line. Pure. */
export function tomlValue(value: string | number | boolean | readonly string[]): string {
  return stringify({ v: value }).trim().replace(/^v = /, '');
}

function statements(text: string): { readonly line: number; readonly source: string }[] {
  const found: { line: number; source: string }[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const last = found.at(-1);
    if (last && !STATEMENT.test(line)) last.source += `\n${line}`;
    else found.push({ line: index + 1, source: line });
  }
  return found;
}

function tryParse(text: string): { readonly table: Readonly<Record<string, unknown>> } | TomlMistake {
  try {
    return { table: parse(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ''] = error.message.split('\n');
    return { line: error.line, what: first.replace('Invalid TOML document: ', '') };
  }
}
