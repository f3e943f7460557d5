/**
 * Reads a few top-level fields of a JSON object without parsing the rest, so that the bytes stay as they came
 * and a 20 MB image inside costs a few native searches instead of a parse. Tolerant as Go's decoder is: keys
 * match without regard to case and the last of several wins. Pure.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const COMMA = 0x2c;

/** A wanted value longer than this many bytes is reported as absent: names, flags and options are short. */
export const MAX_VALUE_BYTES = 64 * 1024;

/** More members than any request has; a body made of millions of them would cost a second to walk. */
const MAX_MEMBERS = 1000;

/** What `eachMember` gives for an object of which not every member was looked at. */
export const TOO_MANY = -2;

/** A longer key, in bytes with its quotes and escapes, is none that anybody looks for. */
const MAX_KEY_BYTES = 128;

/**
 * The values of the top-level keys in `wanted` (lower case), parsed. Anything that is not one JSON object, as
 * far as it was read, gives what was found up to there; never throws.
 */
export function scanTopLevel(json: Buffer, wanted: ReadonlySet<string>): Map<string, unknown> {
  const found = new Map<string, unknown>();
  eachMember(json, 0, (key, from, to) => {
    if (!wanted.has(key) || to - from > MAX_VALUE_BYTES) return;
    const value = parsedValue(json, from, to);
    if (value !== null) found.set(key, value); // Go leaves a field alone that is given as null.
  });
  return found;
}

/**
 * Calls `visit` with the key (lower case; '' for one too long to matter) and the extent of the value, `from`
 * inclusive and `to` exclusive, of every member of the object that starts at or after `start`. Gives the index
 * after the object's closing brace, -1 when it does not end or is no object, or `TOO_MANY` for over 1,000 members.
 */
export function eachMember(
  json: Buffer,
  start: number,
  visit: (key: string, from: number, to: number) => void,
): number {
  let at = skipSpace(json, start);
  if (json[at] !== OPEN_BRACE) return -1;
  at = skipSpace(json, at + 1);
  if (json[at] === CLOSE_BRACE) return at + 1;
  for (let members = 0; members < MAX_MEMBERS && json[at] === QUOTE; members += 1) {
    const keyEnd = endOfString(json, at);
    if (keyEnd === -1) return -1;
    const key = keyEnd - at <= MAX_KEY_BYTES ? parsedValue(json, at, keyEnd) : '';
    at = skipSpace(json, keyEnd);
    if (json[at] !== COLON) return -1;
    at = skipSpace(json, at + 1);
    const valueEnd = endOfValue(json, at);
    if (valueEnd === -1) return -1;
    visit(typeof key === 'string' ? key.toLowerCase() : '', at, valueEnd);
    at = skipSpace(json, valueEnd);
    if (json[at] === CLOSE_BRACE) return at + 1;
    if (json[at] !== COMMA) return -1;
    at = skipSpace(json, at + 1);
    if (members === MAX_MEMBERS - 1 && json[at] === QUOTE) return TOO_MANY;
  }
  return -1;
}

/**
 * Calls `visit` with the extent of every element of the array that starts at `start`. Gives the index after
 * the closing bracket, or -1 when the array does not end, is none, or has over `max` elements.
 */
export function eachElement(
  json: Buffer,
  start: number,
  max: number,
  visit: (from: number, to: number) => void,
): number {
  if (json[start] !== OPEN_BRACKET) return -1;
  let at = skipSpace(json, start + 1);
  if (json[at] === CLOSE_BRACKET) return at + 1;
  for (let elements = 0; elements < max; elements += 1) {
    const end = endOfValue(json, at);
    if (end === -1 || end === at) return -1;
    visit(at, end);
    at = skipSpace(json, end);
    if (json[at] === CLOSE_BRACKET) return at + 1;
    if (json[at] !== COMMA) return -1;
    at = skipSpace(json, at + 1);
  }
  return -1;
}

/** The value in these bytes, or undefined when they are no JSON. */
export function parsedValue(json: Buffer, from: number, to: number): unknown {
  try {
    return JSON.parse(json.toString('utf8', from, to));
  } catch {
    return undefined; // The upstream will say what is wrong with it.
  }
}

/** Index of the first byte at or after `from` that is not white space. */
export function skipSpace(json: Buffer, from: number): number {
  let at = from;
  while (json[at] === 0x20 || json[at] === 0x0a || json[at] === 0x0d || json[at] === 0x09) at += 1;
  return at;
}

/** Index after the string that starts at `from`, or -1 if it never ends. */
export function endOfString(json: Buffer, from: number): number {
  let at = from + 1;
  for (;;) {
    const quote = json.indexOf(QUOTE, at);
    if (quote === -1) return -1;
    let slashes = 0;
    while (json[quote - 1 - slashes] === BACKSLASH && quote - 1 - slashes > from) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

/** Index after the value that starts at `from`, or -1 if it never ends. */
export function endOfValue(json: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < json.length) {
    const byte = json[at];
    if (byte === QUOTE) {
      at = endOfString(json, at);
      if (at === -1) return -1;
      if (depth === 0) return at;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (byte === COMMA && depth === 0) return at;
    at += 1;
  }
  return -1;
}
