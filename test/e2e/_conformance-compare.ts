import { isDeepStrictEqual } from 'node:util';
import type { Compare } from './_conformance-case.ts';
import type { WireAnswer } from './_conformance-wire.ts';

/** One thing in which two answers differ. */
export interface Difference {
  /** `status`, `end`, `framing`, `body`, or `header NAME`. */
  readonly what: string;
  readonly direct: string;
  readonly proxied: string;
}

/** What no two answers of one Ollama share. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/"(created_at|started_at|completed_at)":("[^"]*"|\d+)/g, '"$1":0'],
  [/"\w+_duration":\d+/g, '"duration":0'],
  [/"created":\d{9,}/g, '"created":0'],
  [/"modified_at":"[^"]*"/g, '"modified_at":""'],
  [/"(chatcmpl-|cmpl-|resp_|msg_|req_|rs_|call_|toolu_)[0-9a-zA-Z-]+"/g, '"$1"'],
];

/** Says when an answer was sent, not what it is. */
const IGNORED_HEADERS = new Set(['date']);

/** In what the answer through ollana differs from the direct one; empty when in nothing. Pure. */
export function compareAnswers(how: Compare, direct: WireAnswer, proxied: WireAnswer): Difference[] {
  const found: Difference[] = [];
  const note = (what: string, a: string, b: string) => {
    if (a !== b) found.push({ what, direct: a, proxied: b });
  };
  note('status', `${direct.status} ${direct.statusText}`, `${proxied.status} ${proxied.statusText}`);
  note('framing', direct.framing, proxied.framing);
  note('end', direct.whole ? 'whole' : 'cut', proxied.whole ? 'whole' : 'cut');
  const names = new Set([...direct.headers, ...proxied.headers].map(([name]) => name));
  for (const name of names) {
    // Masked bodies differ in length where a duration has another number of digits.
    const lengthOnly = name === 'content-length' && how !== 'exact';
    if (!IGNORED_HEADERS.has(name))
      note(`header ${name}`, valuesOf(direct, name, lengthOnly), valuesOf(proxied, name, lengthOnly));
  }
  const [a, b] = [comparable(how, direct.body), comparable(how, proxied.body)];
  if (!(how === 'numbers' ? near(a, b) : isDeepStrictEqual(a, b)))
    found.push({ what: 'body', direct: direct.body, proxied: proxied.body });
  return found;
}

function valuesOf({ headers }: WireAnswer, wanted: string, present: boolean): string {
  const values = headers.filter(([name]) => name === wanted).map(([, value]) => value);
  if (values.length === 0) return '(none)';
  return present ? '(some)' : values.join(' | ');
}

function comparable(how: Compare, body: string): unknown {
  if (how === 'exact') return body;
  const masked = MASKS.reduce((text, [pattern, instead]) => text.replace(pattern, instead), body);
  if (how === 'timed') return masked;
  if (how === 'layers')
    return masked.replace(/(using existing|creating new) layer sha256:[0-9a-f]{64}/g, 'layer');
  const values = masked.split('\n').map((line) => parsed(line.replace(/^data: /, '')));
  return how === 'lines' ? values.map(sortLines) : values;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // An event's name, `[DONE]`, or an empty line.
  }
}

function sortLines(value: unknown): unknown {
  if (typeof value === 'string') return value.split(/\s*\n/).sort();
  if (Array.isArray(value)) return value.map(sortLines);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, sortLines(one)]));
}

/** Two per cent, and a hundredth about zero: what a runner's cache changes in a sum, far below a wrong answer. */
function near(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= (Number.isInteger(a) && Number.isInteger(b) ? 0 : 0.01 + 0.02 * Math.abs(a));
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => near((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  );
}
