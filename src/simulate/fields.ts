import { Refusal } from './refusal.ts';

/** A JSON object whose fields nobody has vouched for. */
export type Fields = Readonly<Record<string, unknown>>;

/** `value` as an object, or an empty one. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** `value` as a list, or an empty one. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `value` as text, or the empty text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** `value` as a finite number, or undefined. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/**
 * Parses a request body as Go's decoder does for Ollama: the first JSON value counts and what follows it is
 * ignored; the texts of the refusals (400) are Ollama's own.
 */
export function parseBody(body: Buffer, whenEmpty = 'missing request body'): Fields {
  const text = body.toString('utf8');
  if (text.trim() === '') throw new Refusal(400, whenEmpty);
  const value = parseFirst(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(400, `json: cannot unmarshal ${kindOf(value)} into Go value of type api.Request`);
  }
  return value as Fields;
}

function parseFirst(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const at = Number(/position (\d+)/.exec(String(error))?.[1] ?? Number.NaN);
    if (/after JSON/.test(String(error)) && at > 0) return parseFirst(text.slice(0, at));
    // V8 names the end of the text in three ways: by its own words, as an unterminated string, or as a position.
    const cutOff = /end of JSON|Unterminated/.test(String(error)) || at >= text.trimEnd().length;
    if (cutOff || Number.isNaN(at)) throw new Refusal(400, cutOff ? 'unexpected EOF' : invalid(text.trim()));
    throw new Refusal(400, invalid(text.slice(at)));
  }
}

function invalid(rest: string): string {
  return `invalid character '${rest.charAt(0)}' looking for beginning of value`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
