import type { IncomingHttpHeaders } from 'node:http';
import { eachMember, MAX_VALUE_BYTES, parsedValue, skipSpace, TOO_MANY } from './body-scan.ts';
import type { BodyDecoder } from './decode-body.ts';
import { formModel, isForm } from './form-model.ts';
import type { ScannedWork } from './work-scan.ts';

/** Top-level fields whose values decide where a request goes. */
const FIELDS: ReadonlySet<string> = new Set([
  'model',
  'name',
  'stream',
  'keep_alive',
  'source',
  'destination',
  'from',
  'files',
  'options',
  'metadata',
]);

/** Fields that can be megabytes: only whether there is anything in them is of interest. */
const CONTENT: ReadonlySet<string> = new Set(['prompt', 'messages', 'input']);

/** A body up to this is looked through at once, bytes: that takes 1.5 ms at worst, and less than asking a thread usually. */
const LONG_BYTES = 64 * 1024;

/** What was seen in a request body. */
export interface Peeked {
  /** `model`, or the older `name`; undefined when there is none, it is empty, or it is no text. */
  readonly model: string | undefined;
  /** Values of `model`, `name`, `stream`, `keep_alive`, `source`, `destination`, `from`, `files`, `options`, `metadata`. */
  readonly fields: ReadonlyMap<string, unknown>;
  /** Which of `prompt`, `messages` and `input` are there and not empty. */
  readonly content: ReadonlySet<string>;
  /** Whether a whole JSON object was seen, so that what is not listed here is not in the body either. */
  readonly complete: boolean;
  /** There is something that could not be looked through, so that a server may find another model in it. */
  readonly unread: boolean;
  /** The body as JSON text, decoded; undefined when it is empty or a form, or could not be decoded. */
  readonly plain: Buffer | undefined;
  /** How much work it is, where that has been looked for already. */
  readonly work?: ScannedWork;
}

/** What is seen in a body that is JSON. */
export interface Seen {
  readonly peeked: Omit<Peeked, 'plain'>;
  readonly work: ScannedWork;
}

/** Looks through long bodies while others go on. */
export interface Aside {
  /** What is in a body, JSON or not; undefined when it could not be looked through. Never rejects. */
  look(body: Buffer): Promise<Seen | undefined>;
}

const NOTHING: Peeked = {
  model: undefined,
  fields: new Map(),
  content: new Set(),
  complete: false,
  unread: false,
  plain: undefined,
};

/**
 * Looks into a request body, or the beginning of one, for what decides where it goes: JSON under whatever
 * `Content-Type`, as Ollama reads it, or a form with a field `model`; compressed bodies are decoded for this
 * only, `peer` being the address of whoever sent it. Long ones are left to `aside`. What cannot be read is left to the
 * server to complain of; never rejects.
 */
export async function peek(
  headers: IncomingHttpHeaders,
  body: Buffer,
  decoder: BodyDecoder,
  peer?: string,
  aside?: Aside,
): Promise<Peeked> {
  const plain = await decoder.decode(headers['content-encoding'], body, peer);
  if (plain === undefined) return { ...NOTHING, unread: true };
  if (plain.length === 0) return NOTHING;
  const contentType = headers['content-type'];
  if (!isForm(contentType)) {
    if (!aside || plain.length <= LONG_BYTES) return peekJson(plain);
    const seen = await aside.look(plain);
    return seen ? { ...seen.peeked, plain, work: seen.work } : { ...NOTHING, plain, unread: true };
  }
  const model = await formModel(contentType, plain);
  return model ? { ...NOTHING, model, fields: new Map([['model', model]]) } : NOTHING;
}

/** `peek` for a body that is JSON and not compressed. Pure; never throws. */
export function peekJson(json: Buffer): Peeked {
  const fields = new Map<string, unknown>();
  const content = new Set<string>();
  const end = eachMember(json, 0, (key, from, to) => {
    if (FIELDS.has(key) && to - from <= MAX_VALUE_BYTES) {
      const value = parsedValue(json, from, to);
      if (value !== null) fields.set(key, value); // Go leaves a field alone that is given as null.
    }
    if (!CONTENT.has(key)) return;
    if (isEmpty(json, from, to)) content.delete(key);
    else content.add(key);
  });
  const model = fields.get('model') || fields.get('name');
  return {
    model: typeof model === 'string' && model !== '' ? model : undefined,
    fields,
    content,
    complete: end >= 0,
    unread: end === TOO_MANY,
    plain: json,
  };
}

/** Whether a value is `null`, `""` or `[]`, which Ollama takes for nothing. */
function isEmpty(json: Buffer, from: number, to: number): boolean {
  if (json[from] === 0x5b) return json[skipSpace(json, from + 1)] === 0x5d;
  if (to - from > 64) return false; // Spares copying a long prompt; no empty value is spaced out that far.
  const text = json.toString('latin1', from, to).trim();
  return text === '""' || text === 'null';
}
