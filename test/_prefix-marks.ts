import { type PrefixMark, prefixMarks } from '../src/ollama/prefix-hashes.ts';

/** The marks of a body, given as text or as what it says. */
export const marks = (body: unknown): readonly PrefixMark[] =>
  prefixMarks(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));

/** Their hashes alone. */
export const hashes = (body: unknown) => marks(body).map(({ hash }) => hash);

/** A message of the user. */
export const user = (content: unknown) => ({ role: 'user', content });

/** A message of the model. */
export const said = (content: unknown) => ({ role: 'assistant', content });

/** An image in base64, of so many characters behind its beginning. */
export const image = (bytes: number, fill = 'A') => `iVBORw0KGgo${fill.repeat(bytes)}`;

/** How many marks at the beginning two bodies have in common. */
export function shared(one: unknown, other: unknown): number {
  const others = hashes(other);
  const differs = hashes(one).findIndex((hash, index) => hash !== others[index]);
  return differs === -1 ? hashes(one).length : differs;
}

/** A conversation that begins. */
export const turn1 = [{ role: 'system', content: 'be brief' }, user('hi')];

/** The same, one turn later. */
export const turn2 = [...turn1, said('hello'), user('why?')];
