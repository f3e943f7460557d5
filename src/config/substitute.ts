/** Which other models may answer for a wanted one. */
export interface Substitution {
  /** Any loaded model of the wanted one's family may. */
  readonly sameFamily: boolean;
  /** Names as typed; the first pair whose `other` is loaded counts, so their order is the user's preference. */
  readonly pairs: readonly { readonly wanted: string; readonly other: string }[];
}

const SAME_FAMILY = 'same-family';
/** No `=` and no `,`: Ollama has neither in a name. 600 is more than its longest. */
const NAME = /^[^\s\p{C}=,]{1,600}$/u;

/** Checks one value of the option: `same-family`, or `wanted=other`. Throws RangeError saying what would be right. */
export function checkSubstitute(text: string): void {
  if (text.toLowerCase() === SAME_FAMILY) return;
  const [wanted = '', other = '', ...more] = text.split('=');
  if (!NAME.test(wanted) || !NAME.test(other) || more.length > 0)
    throw new RangeError('give same-family, or two models such as llama3.3:70b=llama3.1:8b');
  if (wanted.toLowerCase() === other.toLowerCase()) throw new RangeError('give two different models');
}

/** What the values of the option mean together; undefined when there are none, which is off. Takes checked values. */
export function readSubstitution(values: readonly string[]): Substitution | undefined {
  if (values.length === 0) return undefined;
  const pairs = values
    .filter((value) => value.toLowerCase() !== SAME_FAMILY)
    .map((value) => {
      const [wanted = '', other = ''] = value.split('=');
      return Object.freeze({ wanted, other });
    });
  return Object.freeze({ sameFamily: pairs.length < values.length, pairs: Object.freeze(pairs) });
}
