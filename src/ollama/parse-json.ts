const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Values within values in JSON that is taken from others: lists and tickets have 6; code that walks it recurses. */
const MAX_JSON_DEPTH = 64;

/** JSON that is nested deeper than `MAX_JSON_DEPTH`. */
export class TooDeep extends Error {
  constructor() {
    super(`JSON nested over ${MAX_JSON_DEPTH} deep`);
    this.name = 'TooDeep';
  }
}

/**
 * `JSON.parse` for what others send: millions of brackets, which take it gigabytes, are refused before. Throws `TooDeep`
 * then, SyntaxError for what is no JSON. Pure.
 */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) throw new TooDeep();
  return JSON.parse(text);
}

/** Looks at brackets outside of strings only. */
function isTooDeep(text: string): boolean {
  // Less cannot be.
  if (text.length <= MAX_JSON_DEPTH) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (at === -1) return false; // No JSON.
    } else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > MAX_JSON_DEPTH) return true;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return false;
}

/** Index of the quote that ends the string begun at `from`, or -1. */
function endOfString(text: string, from: number): number {
  let at = text.indexOf('"', from + 1);
  while (at !== -1) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH && at - 1 - slashes > from) slashes += 1;
    if (slashes % 2 === 0) return at;
    at = text.indexOf('"', at + 1);
  }
  return -1;
}
