import { eachElement, eachMember, skipSpace } from './body-scan.ts';
import { PromptHash } from './prompt-hash.ts';

/** A place in a prompt up to which a server may have it in its cache. */
export interface PrefixMark {
  /** Of everything up to here, 16 bytes in base64. */
  readonly hash: string;
  /** Tokens of the prompt up to here, estimated: text bytes / 4, and 576 an image. */
  readonly tokens: number;
  /** The message that ends here was said by the model. */
  readonly assistant: boolean;
}

/** Where a value is in a body; `from` inclusive, `to` exclusive. */
export interface Extent {
  readonly from: number;
  readonly to: number;
}

/** Marks of one prompt at its beginning, where prompts of one application are the same, and at its end. */
export const FIRST_MARKS = 16;
const LAST_MARKS = 240;
/** Marks of one prompt, at most. */
export const MAX_MARKS = FIRST_MARKS + LAST_MARKS;

/** The places of all messages are kept; a conversation is at a thousand when it is very long. */
const MAX_MESSAGES = 2 ** 17;
/** A prompt that is one text gets a mark after each piece of this many bytes, about 256 tokens. */
const BLOCK_BYTES = 1024;

/** Fields that models read before the messages or the prompt, in the order in which templates write them. */
const HEAD = ['template', 'tools', 'system', 'instructions', 'images'];
const PARTS: ReadonlySet<string> = new Set([...HEAD, 'context', 'messages', 'input', 'prompt']);

const QUOTE = 0x22;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;

/**
 * Marks in the prompt of a request body, in order, 256 at most (the first 16, the last 240): after each message of
 * `messages`, or of `input` where that is an array of objects, or after each kilobyte of `prompt`; one more after
 * what comes before them (tools, system prompt). A message that comes again with the same before it gets the same
 * hash. No marks for what is no JSON or no prompt. Pure; never throws.
 */
export function prefixMarks(json: Buffer): readonly PrefixMark[] {
  const extents = new Map<string, Extent>();
  eachMember(json, 0, (key, from, to) => {
    if (isPromptPart(key)) extents.set(key, { from, to });
  });
  return marksOf(json, extents);
}

/** Whether `marksOf` wants the extent of the member with this key. */
export function isPromptPart(key: string): boolean {
  return PARTS.has(key);
}

/** `prefixMarks` for a body whose members were found already; `extents` by key in lower case. */
export function marksOf(json: Buffer, extents: ReadonlyMap<string, Extent>): readonly PrefixMark[] {
  const messages = messagesOf(json, extents.get('messages')) ?? messagesOf(json, extents.get('input'));
  const pieces = messages ?? [
    ...blocksOf(json, extents.get('context')),
    ...blocksOf(json, extents.get('prompt')),
  ];
  if (pieces.length === 0) return [];

  const hash = new PromptHash(json);
  for (const key of HEAD) {
    const extent = extents.get(key);
    if (extent && !isNothing(json, extent)) hash.addValue(extent.from, extent.to);
  }
  const marks: PrefixMark[] = [];
  const first = hash.tokens > 0 ? -1 : 0;
  if (first === -1) marks.push({ hash: hash.value, tokens: hash.tokens, assistant: false });
  for (const [index, { from, to }] of pieces.entries()) {
    const assistant = messages !== undefined && hash.addValue(from, to);
    if (!messages) hash.addText(from, to);
    if (index - first < FIRST_MARKS || pieces.length - index <= LAST_MARKS)
      marks.push({ hash: hash.value, tokens: hash.tokens, assistant });
  }
  return marks;
}

/** The elements of an array of objects; undefined for anything else, and for more than anybody sends. */
function messagesOf(json: Buffer, extent: Extent | undefined): readonly Extent[] | undefined {
  if (!extent || json[extent.from] !== OPEN_BRACKET) return undefined;
  if (json[skipSpace(json, extent.from + 1)] !== OPEN_BRACE) return undefined;
  const messages: Extent[] = [];
  const end = eachElement(json, extent.from, MAX_MESSAGES, (from, to) => messages.push({ from, to }));
  return end === -1 ? undefined : messages;
}

/** Pieces of equal size of a text, or of the array of tokens that `context` is. */
function blocksOf(json: Buffer, extent: Extent | undefined): Extent[] {
  if (!extent || isNothing(json, extent) || json[extent.from] === OPEN_BRACE) return [];
  const quote = json[extent.from] === QUOTE ? 1 : 0;
  const [start, end] = [extent.from + quote, extent.to - quote];
  return Array.from({ length: Math.ceil((end - start) / BLOCK_BYTES) }, (_, index) => {
    const from = start + index * BLOCK_BYTES;
    return { from, to: Math.min(from + BLOCK_BYTES, end) };
  });
}

/** Whether a value is `null`, `""` or `[]`, which is as good as none. */
function isNothing(json: Buffer, { from, to }: Extent): boolean {
  return to - from <= 4 && ['null', '""', '[]'].includes(json.toString('latin1', from, to));
}
