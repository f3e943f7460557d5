import { endOfString, endOfValue, skipSpace } from './body-scan.ts';
import { IMAGE_END_BYTES, isImage, LONG_IMAGE_BYTES } from './image-text.ts';
import { PieceHash } from './piece-hash.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const NEWLINE = 0x0a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Vision models turn an image into some hundreds to some thousands of tokens; CLIP's 24 x 24 patches. */
const IMAGE_TOKENS = 576;
/** What English text and code come to with the tokenizers in use, bytes. */
export const BYTES_PER_TOKEN = 4;

/** Keys that are treated in a way of their own. */
const KEYS = ['role', 'content', 'type', 'text', 'cache_control'];
/** A client may send a text bare in one turn and in a block of such a type in the next. */
const TEXT_TYPES = ['text', 'input_text', 'output_text'];
/** Items of `/v1/responses` that the model said, although they have no role. */
const SAID_TYPES = ['reasoning', 'function_call'];

/**
 * Steps of a walk through values, at most: bytes outside of strings, and so many for a string. A conversation of
 * 20,000 messages needs fewer; for the rest of a body made of millions of numbers its bytes will do as they are.
 */
const MAX_STEPS = 4_000_000;
const STRING_STEPS = 16;

/**
 * A hash over what a model reads of a request, and a count of its tokens. Spacing, brackets and cache marks of
 * clients are left out, so that a message that comes again in the next turn counts as the same.
 */
export class PromptHash {
  readonly #json: Buffer;
  readonly #hash: PieceHash;
  #textBytes = 0;
  #images = 0;
  #steps = 0;
  #said = false;

  constructor(json: Buffer) {
    this.#json = json;
    this.#hash = new PieceHash(json);
  }

  /** Tokens of all that was added, estimated. */
  get tokens(): number {
    return Math.ceil(this.#textBytes / BYTES_PER_TOKEN) + this.#images * IMAGE_TOKENS;
  }

  /** The hash of all that was added up to here, 16 bytes in base64. */
  get value(): string {
    return this.#hash.value;
  }

  /** Adds these bytes of the body as they are. */
  addText(from: number, to: number): void {
    this.#textBytes += to - from;
    this.#hash.add(from, to);
  }

  /** Adds the JSON value in these bytes. Gives whether it is a message, or an item, that the model said. */
  addValue(from: number, to: number): boolean {
    this.#said = false;
    let depth = 0;
    let at = from;
    while (at !== -1 && at < to) {
      if (this.#steps > MAX_STEPS) {
        this.addText(at, to);
        break;
      }
      this.#steps += 1;
      const byte = this.#json[at] ?? 0;
      if (byte === QUOTE) at = this.#addToken(at, depth === 1);
      else if (isLiteral(byte)) at = this.#addLiteral(at);
      else {
        if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
        else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth -= 1;
        at += 1;
      }
    }
    return this.#said;
  }

  /** Adds the key or the string that starts at `from`. Gives where to go on, or -1 when it never ends. */
  #addToken(from: number, ofMessage: boolean): number {
    const json = this.#json;
    this.#steps += STRING_STEPS;
    const end = endOfString(json, from);
    if (end === -1) return -1;
    const next = skipSpace(json, end);
    if (json[next] !== COLON) {
      this.#addString(from, end);
      return end;
    }
    const key = wordAt(json, from, KEYS);
    const valueAt = skipSpace(json, next + 1);
    if (key === 'cache_control') return endOfValue(json, valueAt);
    if (key === 'type') {
      const wrapper = wordAt(json, valueAt, TEXT_TYPES);
      if (wrapper !== undefined) return valueAt + wrapper.length + 2;
      if (ofMessage && wordAt(json, valueAt, SAID_TYPES) !== undefined) this.#said = true;
    }
    if (key === 'role' && ofMessage && wordAt(json, valueAt, ['assistant']) !== undefined) this.#said = true;
    if (key !== 'content' && key !== 'text') this.addText(from, end);
    return valueAt;
  }

  /** Adds the number or word that starts at `from`, byte by byte: there can be millions. */
  #addLiteral(from: number): number {
    let at = from;
    let byte = this.#json[at] ?? 0;
    while (isLiteral(byte)) {
      this.#hash.addByte(byte);
      at += 1;
      byte = this.#json[at] ?? 0;
    }
    this.#hash.addByte(NEWLINE); // Else 1 and 2 were 12.
    this.#textBytes += at - from;
    this.#steps += at - from;
    return at;
  }

  #addString(from: number, to: number): void {
    if (!isImage(this.#json, from + 1, to - 1)) this.addText(from, to);
    else {
      this.#images += 1;
      if (to - from > LONG_IMAGE_BYTES) {
        this.#hash.addText(`${to - from}`);
        this.#hash.add(from, from + IMAGE_END_BYTES);
        this.#hash.add(to - IMAGE_END_BYTES, to);
      } else this.#hash.add(from, to);
    }
  }
}

/** Which of `words` the string is that starts at `from`, if one. */
function wordAt(json: Buffer, from: number, words: readonly string[]): string | undefined {
  if (json[from] !== QUOTE) return undefined;
  return words.find((word) => {
    if (json[from + 1 + word.length] !== QUOTE) return false;
    for (let index = 0; index < word.length; index += 1)
      if (json[from + 1 + index] !== word.charCodeAt(index)) return false;
    return true;
  });
}

/** Whether a byte is neither white space nor punctuation of JSON: part of a number or a word. */
function isLiteral(byte: number): boolean {
  if (byte <= 0x20 || byte === QUOTE || byte === COMMA || byte === COLON) return false;
  return byte !== OPEN_BRACE && byte !== CLOSE_BRACE && byte !== OPEN_BRACKET && byte !== CLOSE_BRACKET;
}
