/** Answers are few and repeat; splitting one again for every request would cost a benchmark more than sending it. */
const MAX_REMEMBERED = 16;

/** An answer cut into what one stream line carries. */
export interface TokenList {
  readonly texts: readonly string[];
  /** Each text as it stands between the quotes of a JSON string. */
  readonly escaped: readonly string[];
}

/** Splits answers into tokens: words with the space before them, long words in pieces of eight. */
export class Tokens {
  readonly #known = new Map<string, TokenList>();

  of(answer: string): TokenList {
    const known = this.#known.get(answer);
    if (known) return known;
    const texts = answer.match(/\s*\S{1,8}|\s+$/g) ?? [];
    const list = { texts, escaped: texts.map((text) => JSON.stringify(text).slice(1, -1)) };
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(answer, list);
    return list;
  }
}

/** Tokens in a prompt, by the usual rule of four characters each. */
export function countTokens(text: string): number {
  return Math.ceil(text.length / 4);
}
