import { describe, expect, it } from 'vitest';
import { contextSent, planContext } from '../src/routing/context.ts';
import { UNLOADED } from '../src/routing/finish.ts';

/** A server whose list says `listed`, with the model loaded for `given`; null: nobody knows. */
function at(listed: number | undefined, given: number | null, loaded = true) {
  const raw = { context_length: listed };
  const ps = [{ name: 'm', key: 'm', expiresAt: '', raw }];
  return [{ ps }, { models: { m: { ...UNLOADED, loaded, numCtx: given } } }] as const;
}

describe('a context that a request asks for', () => {
  it.each([
    ['left out where none was given', 2048, at(4096, 0), { type: 'drop' }],
    ['left out where it is what Ollama chose itself', 4096, at(4096, 0), { type: 'drop' }],
    ['what was given, if that is larger', 2048, at(8192, 8192), { type: 'set', tokens: 8192 }],
    ['what is told, if the list is older', 2048, at(4096, 8192), { type: 'set', tokens: 8192 }],
    ['kept where it is what was given', 8192, at(8192, 8192), { type: 'keep' }],
    ['what is listed, if nobody knows what was given', 2048, at(4096, null), { type: 'set', tokens: 4096 }],
    ['kept where it is listed and nobody knows more', 4096, at(4096, null), { type: 'keep' }],
    ['kept where it is larger', 8193, at(8192, 0), { type: 'keep' }],
    ['kept where it is larger than what was given', 8193, at(16_384, 8192), { type: 'keep' }],
    ['kept where an old Ollama lists none', 2048, at(undefined, 0), { type: 'keep' }],
    [
      'what is listed where nothing is told',
      2048,
      [at(4096, 0)[0], undefined] as const,
      { type: 'set', tokens: 4096 },
    ],
    ['kept where the model is not loaded', 2048, [{ ps: [] }, undefined] as const, { type: 'keep' }],
  ])('is %s', (_how, wanted, [server, load], plan) => {
    expect(planContext(wanted, 'm', server, load)).toEqual(plan);
  });

  it('is what servers are compared by', () => {
    expect(contextSent(2048, 'm', ...at(4096, 0))).toBeUndefined();
    expect(contextSent(2048, 'm', ...at(8192, 8192))).toBe(8192);
    expect(contextSent(16_384, 'm', ...at(8192, 8192))).toBe(16_384);
    expect(contextSent(undefined, 'm', ...at(8192, 8192))).toBeUndefined();
  });
});
