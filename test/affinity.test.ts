import { describe, expect, it } from 'vitest';
import { type PrefixMark, prefixMarks } from '../src/ollama/prefix-hashes.ts';
import { Affinity } from '../src/routing/affinity.ts';

const MINUTE = 60_000;

/**
 * Marks of a conversation written as letters: small ones are what the user says, capitals what the model does.
 * Every message is 100 tokens.
 */
function talk(text: string): readonly PrefixMark[] {
  return [...text].map((letter, index) => ({
    hash: text.slice(0, index + 1),
    tokens: 100 * (index + 1),
    assistant: letter !== letter.toLowerCase(),
  }));
}

/** What of `asked` is in the cache after `ran` ran there, oldest first, one a minute. */
function cached(ran: readonly string[], asked: string, laterMs = MINUTE): number {
  const affinity = new Affinity();
  ran.forEach((text, index) => {
    affinity.ran('gpu', 'm', talk(text), index * MINUTE);
  });
  return affinity.cachedTokens('gpu', 'm', talk(asked), (ran.length - 1) * MINUTE + laterMs);
}

describe('tokens in the cache', () => {
  it.each([
    { name: 'nothing ran', ran: [], asked: 'ab', tokens: 0 },
    { name: 'something else ran', ran: ['xy'], asked: 'ab', tokens: 0 },
    { name: 'the same prompt', ran: ['sa'], asked: 'sa', tokens: 200 },
    { name: 'a growing conversation, with the answer', ran: ['sa', 'saBc'], asked: 'saBcDe', tokens: 500 },
    { name: 'a short first turn', ran: ['a'], asked: 'aBc', tokens: 200 },
    { name: 'an answer of several items', ran: ['a'], asked: 'aBCDe', tokens: 400 },
    { name: 'only the system prompt', ran: ['sabc'], asked: 'sxyz', tokens: 100 },
    { name: 'a fork', ran: ['sabcd'], asked: 'sabxy', tokens: 300 },
    { name: 'another answer in a fork', ran: ['saBc'], asked: 'saCd', tokens: 200 },
    { name: 'both sides of a fork: the older', ran: ['saBc', 'saBx'], asked: 'saBcDe', tokens: 500 },
    { name: 'both sides of a fork: the newer', ran: ['saBc', 'saBx'], asked: 'saBxDe', tokens: 500 },
    { name: 'a question asked again', ran: ['saBc', 'sa'], asked: 'saXd', tokens: 300 },
    { name: 'an edited turn', ran: ['saBcDe'], asked: 'sxBcDe', tokens: 100 },
    { name: 'a user who goes on without an answer', ran: ['sa'], asked: 'sab', tokens: 200 },
    { name: 'a prompt that ends with what the model said', ran: ['aB'], asked: 'aB', tokens: 200 },
    { name: 'the last of eight', ran: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], asked: 'aXb', tokens: 200 },
    { name: 'the ninth', ran: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'], asked: 'aXb', tokens: 0 },
    {
      name: 'one that grew to eight turns and seven others',
      ran: ['b', 'a', 'aBc', 'aBcDe', 'aBcDeFg', 'c', 'd', 'e', 'f', 'g', 'h'],
      asked: 'bX',
      tokens: 200,
    },
    {
      name: 'a common beginning whose older owner left',
      ran: ['sa', 'sb', 'sc', 'sd', 'se', 'sf', 'sg', 'sh', 'si'],
      asked: 'sa',
      tokens: 100,
    },
  ])('$name: $tokens', ({ ran, asked, tokens }) => {
    expect(cached(ran, asked)).toBe(tokens);
  });

  it.each([
    { laterMs: 30 * MINUTE, tokens: 200 },
    { laterMs: 30 * MINUTE + 1, tokens: 0 },
  ])('$laterMs ms later: $tokens', ({ laterMs, tokens }) => {
    expect(cached(['ab'], 'ab', laterMs)).toBe(tokens);
  });

  it('falls back to what is shorter and newer', () => {
    const affinity = new Affinity();
    affinity.ran('gpu', 'm', talk('sabc'), 0);
    affinity.ran('gpu', 'm', talk('sx'), 20 * MINUTE);
    expect(affinity.cachedTokens('gpu', 'm', talk('sabc'), 40 * MINUTE)).toBe(100);
  });

  it('goes on with a conversation as an agent sends it', () => {
    const marked = (text: string) => [{ type: 'text', text, cache_control: { type: 'ephemeral' } }];
    const marksOf = (...messages: object[]) =>
      prefixMarks(
        Buffer.from(JSON.stringify({ messages, system: marked('be brief'.repeat(500)), max_tokens: 9 })),
      );
    const affinity = new Affinity();
    affinity.ran('gpu', 'm', marksOf({ role: 'user', content: marked('list the files') }), 0);
    const next = marksOf(
      { role: 'user', content: 'list the files' },
      { role: 'assistant', content: [{ type: 'tool_use', id: '1', name: 'ls', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: '1', content: marked('a b c') }] },
    );
    expect(affinity.cachedTokens('gpu', 'm', next, 0)).toBe(next[2]?.tokens);
    const other = marksOf({ role: 'user', content: marked('something else') });
    expect(affinity.cachedTokens('gpu', 'm', other, 0)).toBe(other[0]?.tokens);
    expect(other[0]?.tokens).toBeGreaterThan(1000);
  });

  it('does not take messages without a mark for an answer', () => {
    const long = (count: number) => ({
      messages: Array.from({ length: count }, (_, index) => ({
        role: index % 2 ? 'assistant' : 'user',
        content: `${index}`,
      })),
    });
    const all = prefixMarks(Buffer.from(JSON.stringify(long(401))));
    expect(all[16]?.assistant).toBe(true);
    const affinity = new Affinity();
    affinity.ran('gpu', 'm', prefixMarks(Buffer.from(JSON.stringify(long(16)))), 0);
    expect(affinity.cachedTokens('gpu', 'm', all, 0)).toBe(all[15]?.tokens);
  });

  it('is known per server and model, until it is forgotten', () => {
    const affinity = new Affinity();
    const tokens = () =>
      ['gpu m', 'gpu n', 'other m'].map((pair) => {
        const [device = '', model = ''] = pair.split(' ');
        return affinity.cachedTokens(device, model, talk('ab'), 0);
      });
    affinity.ran('gpu', 'm', talk('ab'), 0);
    expect(tokens()).toEqual([200, 0, 0]);
    affinity.ran('gpu', 'n', talk('ab'), 0);
    affinity.ran('other', 'm', talk('ab'), 0);
    affinity.forget('gpu', 'm');
    expect(tokens()).toEqual([0, 200, 200]);
    affinity.ran('gpu', 'm', talk('ab'), 0);
    affinity.forget('gpu');
    expect(tokens()).toEqual([0, 0, 200]);
    affinity.forget('nobody', 'x');
    affinity.forget('nobody');
    expect(tokens()).toEqual([0, 0, 200]);
  });
});

describe('what is remembered is bounded', () => {
  const remembered = (affinity: Affinity, pairs: number, asked: readonly PrefixMark[]) =>
    Array.from({ length: pairs }, (_, index) => affinity.cachedTokens(`${index}`, 'm', asked, 0)).filter(
      Boolean,
    ).length;

  it('to 4096 pairs; the oldest goes first, and not what ran since', () => {
    const affinity = new Affinity();
    for (let index = 0; index < 4096; index += 1) affinity.ran(`${index}`, 'm', talk('a'), 0);
    affinity.ran('0', 'm', talk('aBc'), 0);
    affinity.ran('new', 'm', talk('a'), 0);
    expect(affinity.cachedTokens('0', 'm', talk('aBc'), 0)).toBe(300);
    expect(affinity.cachedTokens('1', 'm', talk('a'), 0)).toBe(0);
    expect(affinity.cachedTokens('2', 'm', talk('a'), 0)).toBe(100);
    expect(remembered(affinity, 5000, talk('a'))).toBe(4095);
  });

  it('to 20,000 marks', () => {
    const affinity = new Affinity();
    const long = talk('a'.repeat(256));
    for (let index = 0; index < 200; index += 1) affinity.ran(`${index}`, 'm', long, 0);
    expect(remembered(affinity, 200, long)).toBe(78);
    expect(affinity.cachedTokens('199', 'm', long, 0)).toBe(25_600);
  });

  it('and counts right when conversations grow, leave and are forgotten', () => {
    const affinity = new Affinity();
    for (let round = 0; round < 500; round += 1) {
      affinity.ran('gpu', 'm', talk(`${round}`.repeat(20)), round);
      affinity.ran('gpu', 'm', talk(`${round}`.repeat(40)), round);
      affinity.ran('other', 'm', talk(`${round}`.repeat(40)), round);
      affinity.forget('other');
    }
    const long = talk('a'.repeat(256));
    for (let index = 0; index < 60; index += 1) affinity.ran(`${index}`, 'm', long, 500);
    expect(remembered(affinity, 60, long)).toBe(60);
    expect(affinity.cachedTokens('gpu', 'm', talk(`499`.repeat(40)), 500)).toBe(12_000);
  });
});
