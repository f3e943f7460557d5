import { isDeepStrictEqual } from 'node:util';
import { parseToml, tomlValue } from './toml.ts';

/** What a key can be set to here. */
export type TomlSetting = string | number | boolean | readonly string[];

/** Where a `key = value` of the top level stands in a text; all are positions. */
interface Statement {
  readonly key: string;
  /** Of its first line. */
  readonly start: number;
  readonly valueStart: number;
  /** Behind the value, before what is left of its line. */
  readonly valueEnd: number;
  /** Of comments between the lines of the value, each with its `#`. */
  readonly inside: readonly string[];
}

/**
 * Sets one key at the top of a TOML text, or takes it out where `value` is undefined; every other line and every
 * comment stays as it is. Comments between the lines of a value that is replaced come to stand above it. Throws an
 * Error where the text is no TOML, or is written so that this cannot be done without losing something. Pure.
 */
export function setTomlKey(text: string, key: string, value: TomlSetting | undefined): string {
  const { [key]: had, ...rest } = parseToml(text);
  if (had === undefined && value === undefined) return text;
  const edited = edit(text, key, value);
  const wanted = value === undefined ? rest : { ...rest, [key]: value };
  // Whatever the scanner below took for a statement: what the parser makes of the result counts.
  if (!isDeepStrictEqual({ ...parseToml(edited) }, wanted))
    throw new Error(`${key} is written in a way that only a person can edit`);
  return edited;
}

function edit(text: string, key: string, value: TomlSetting | undefined): string {
  const line = text.includes('\r\n') ? '\r\n' : '\n';
  const at = statementsIn(text).find((one) => one.key === key);
  if (!at) {
    const gap = text === '' || text.endsWith('\n') ? '' : line;
    return value === undefined ? text : `${text}${gap}${key} = ${tomlValue(value)}${line}`;
  }
  const indent = /^[ \t]*/.exec(text.slice(at.start))?.[0] ?? '';
  const above = at.inside.map((comment) => `${indent}${comment}${line}`).join('');
  const before = `${text.slice(0, at.start)}${above}`;
  if (value !== undefined)
    return `${before}${text.slice(at.start, at.valueStart)}${tomlValue(value)}${text.slice(at.valueEnd)}`;
  const [left = ''] = /^[^\n]*(\n|$)/.exec(text.slice(at.valueEnd)) ?? [];
  const comment = left.trimStart().startsWith('#') ? `${indent}${left.trimStart()}` : '';
  return `${before}${comment}${text.slice(at.valueEnd + left.length)}`;
}

const KEY = /([\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*=[ \t]*/y;
/** What may follow each other in a value: texts of four kinds, a comment, what opens and closes, anything else. */
const PART =
  /"""(?:[^\\]|\\[\s\S])*?"{3,5}|'''[\s\S]*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*|[[{]|[\]}]|\n|[\s\S]/y;

/** The statements before the first table, for a text that is TOML. */
function statementsIn(text: string): readonly Statement[] {
  const found: Statement[] = [];
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  while (at < text.length) {
    const start = at;
    at += /^[ \t]*/.exec(text.slice(at, at + 1000))?.[0].length ?? 0;
    KEY.lastIndex = at;
    const [head, name] = KEY.exec(text) ?? [];
    if (head === undefined || name === undefined) {
      // A table, from where on keys are its own; a dotted key; a comment; nothing.
      if (text[at] === '[') break;
      at = valueAt(text, at).next;
      continue;
    }
    const valueStart = at + head.length;
    const { end, next, inside } = valueAt(text, valueStart);
    const [key = ''] = Object.keys(parseToml(`${name} = 0`));
    found.push({ key, start, valueStart, valueEnd: end, inside });
    at = next;
  }
  return found;
}

/** Where the value that begins at `from` ends, and where the line after it begins. */
function valueAt(
  text: string,
  from: number,
): { readonly end: number; readonly next: number; readonly inside: readonly string[] } {
  const inside: string[] = [];
  let depth = 0;
  let end = from;
  PART.lastIndex = from;
  for (let part = PART.exec(text)?.[0]; part !== undefined; part = PART.exec(text)?.[0]) {
    if (part === '[' || part === '{') depth += 1;
    if (part === ']' || part === '}') depth -= 1;
    if (part === '\n' && depth <= 0) return { end, next: PART.lastIndex, inside };
    if (part.startsWith('#')) {
      if (depth > 0) inside.push(part.trimEnd());
    } else if (part.trim() !== '') end = PART.lastIndex;
    if (PART.lastIndex >= text.length) break;
  }
  return { end, next: text.length, inside };
}
