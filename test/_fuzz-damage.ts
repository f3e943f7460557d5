import { OllanaError, reasonOf } from '../src/errors.ts';
import { type Dice, mutated, oddText } from './_fuzz.ts';

/** What may stand in a file of ours that is damaged: a part, altered bits, other types, or something else altogether. */
export function damaged(text: string, dice: Dice): Buffer {
  const bytes = Buffer.from(text);
  const kind = dice.below(10);
  if (kind === 0) return bytes.subarray(0, dice.below(bytes.length));
  if (kind === 1) return Buffer.alloc(dice.below(5000), dice.one([0, 0x20, 0xff, 0x0a]));
  if (kind === 2) {
    const at = dice.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.below(8));
    return bytes;
  }
  try {
    if (kind < 7) return oddText(JSON.parse(text), dice);
  } catch {
    // Not JSON.
  }
  return mutated(bytes, dice);
}

/** Whether a text is one clear line. */
export const isLine = (text: string) =>
  text !== '' && text.length < 1000 && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);

/** Whether an error is what a user is told: one clear line. */
export function isClear(error: unknown): boolean {
  return error instanceof OllanaError && isLine(reasonOf(error));
}
