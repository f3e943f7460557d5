import { OllanaError } from '../errors.ts';

/** The parameters of a request's query. */
export class QueryText {
  readonly #params: URLSearchParams;
  readonly #known: ReadonlySet<string>;

  /** Throws OLLANA_BAD_REQUEST (400) for a parameter that is none of `known`: a typo would ask for everything. */
  constructor(target: string, known: readonly string[]) {
    const at = target.indexOf('?');
    this.#params = new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
    this.#known = new Set(known);
    for (const name of this.#params.keys()) {
      if (!this.#known.has(name))
        throw refused(`there is no parameter ${name.slice(0, 80)}: there are ${known.join(', ')}`);
    }
  }

  /** A text of at most 600 characters, as long as names of models are; undefined where none is given. */
  text(...names: readonly string[]): string | undefined {
    for (const name of names) {
      const value = this.#params.get(name);
      if (value !== null && value !== '') return value.slice(0, 600);
    }
    return undefined;
  }

  /** A whole number within limits. Throws OLLANA_BAD_REQUEST. */
  count(name: string, lowest: number, highest: number): number | undefined {
    return this.read(name, (text) => {
      const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (count >= lowest && count <= highest) return count;
      throw new RangeError(`give a whole number from ${lowest} to ${highest}`);
    });
  }

  /** Whatever a reader of values makes of it, whose RangeError becomes OLLANA_BAD_REQUEST. */
  read<T>(name: string, parse: (text: string) => T): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw refused(`bad ${name}: ${error.message}`);
    }
  }
}

function refused(message: string): OllanaError {
  return new OllanaError('OLLANA_BAD_REQUEST', message, { status: 400 });
}
