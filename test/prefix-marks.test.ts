import { describe, expect, it } from 'vitest';
import { scanTopLevel } from '../src/ollama/body-scan.ts';
import { MAX_MARKS, type PrefixMark, prefixMarks } from '../src/ollama/prefix-hashes.ts';

const marks = (body: unknown): readonly PrefixMark[] =>
  prefixMarks(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
const hashes = (body: unknown) => marks(body).map(({ hash }) => hash);
const user = (content: unknown) => ({ role: 'user', content });
const said = (content: unknown) => ({ role: 'assistant', content });
const image = (bytes: number, fill = 'A') => `iVBORw0KGgo${fill.repeat(bytes)}`;

/** How many marks at the beginning two bodies have in common. */
function shared(one: unknown, other: unknown): number {
  const others = hashes(other);
  const differs = hashes(one).findIndex((hash, index) => hash !== others[index]);
  return differs === -1 ? hashes(one).length : differs;
}

const turn1 = [{ role: 'system', content: 'be brief' }, user('hi')];
const turn2 = [...turn1, said('hello'), user('why?')];

describe('how far two requests are the same', () => {
  it.each([
    { name: 'a conversation that grows', one: { messages: turn1 }, other: { messages: turn2 }, same: 2 },
    {
      name: 'the same at another model',
      one: { model: 'a', messages: turn2 },
      other: { messages: turn2 },
      same: 4,
    },
    {
      name: 'a fork',
      one: { messages: turn2 },
      other: { messages: [...turn2.slice(0, 3), user('how?')] },
      same: 3,
    },
    {
      name: 'an edited turn',
      one: { messages: turn2 },
      other: { messages: [turn1[0], user('ho'), ...turn2.slice(2)] },
      same: 1,
    },
    { name: 'another role', one: { messages: [user('a')] }, other: { messages: [said('a')] }, same: 0 },
    { name: 'other short texts', one: { messages: [user('a')] }, other: { messages: [user('b')] }, same: 0 },
    {
      name: 'a system prompt of its own field',
      one: { system: 'be brief', messages: [user('a')] },
      other: { messages: [user('b')], system: 'be brief' },
      same: 1,
    },
    {
      name: 'another system prompt',
      one: { system: 'be brief', messages: [user('a')] },
      other: { system: 'be long', messages: [user('a')] },
      same: 0,
    },
    {
      name: 'tools, wherever they are in the body',
      one: { tools: [{ name: 'f' }], messages: [user('a')] },
      other: { messages: [user('a')], stream: true, tools: [{ name: 'f' }] },
      same: 2,
    },
    {
      name: 'no tools in two ways',
      one: { tools: [], system: null, messages: [user('a')] },
      other: { messages: [user('a')] },
      same: 1,
    },
    {
      name: 'a cache mark that moves on',
      one: {
        messages: [user([{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }]), said('b')],
      },
      other: { messages: [user([{ type: 'text', text: 'a' }]), said('b'), user('c')] },
      same: 2,
    },
    {
      name: 'a text bare and in a block',
      one: { messages: [user([{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }])] },
      other: { messages: [user('a'), said('b')] },
      same: 1,
    },
    {
      name: 'spacing',
      one: JSON.stringify({ messages: turn2 }, undefined, 2),
      other: { messages: turn2 },
      same: 4,
    },
    {
      name: 'numbers run together',
      one: '{"messages":[{"a":[1,2]}]}',
      other: '{"messages":[{"a":[12]}]}',
      same: 0,
    },
    {
      name: 'items of a response',
      one: { instructions: 'x', input: [user('a')] },
      other: { instructions: 'x', input: [user([{ type: 'input_text', text: 'a' }]), said('b')] },
      same: 2,
    },
    {
      name: 'a prompt that grows',
      one: { prompt: 'ab'.repeat(1600) },
      other: { prompt: 'ab'.repeat(1600) + 'c'.repeat(2000) },
      same: 3,
    },
    {
      name: 'a prompt after another context',
      one: { context: [1, 2], prompt: 'a' },
      other: { context: [1, 3], prompt: 'a' },
      same: 0,
    },
    {
      name: 'images of one length with other ends',
      one: { messages: [{ ...user('a'), images: [image(50_000)] }] },
      other: { messages: [{ ...user('a'), images: [`${image(49_999)}B`] }] },
      same: 0,
    },
    {
      name: 'thousands of numbers of which the last differs',
      one: { messages: [{ a: [...Array(9000).fill(1), 2] }] },
      other: { messages: [{ a: [...Array(9000).fill(1), 3] }] },
      same: 0,
    },
    {
      name: 'small images',
      one: { messages: [{ ...user('a'), images: [image(500)] }] },
      other: { messages: [{ ...user('a'), images: [image(500, 'B')] }] },
      same: 0,
    },
    {
      name: 'long texts that differ in the middle',
      one: { messages: [user(`${'a '.repeat(20_000)}x${' a'.repeat(20_000)}`)] },
      other: { messages: [user(`${'a '.repeat(20_000)}y${' a'.repeat(20_000)}`)] },
      same: 0,
    },
  ])('$name: $same', ({ one, other, same }) => {
    expect(shared(one, other)).toBe(same);
    expect(shared(other, one)).toBe(same);
  });
});

describe('what a mark says', () => {
  it('counts tokens from the beginning, and names what the model said', () => {
    const texts = marks({ messages: [user('a'.repeat(4000)), said('b'.repeat(2000)), user('c')] });
    expect(texts.map(({ assistant }) => assistant)).toEqual([false, true, false]);
    expect(texts[0]?.tokens).toBeGreaterThanOrEqual(1000);
    expect(texts[0]?.tokens).toBeLessThan(1010);
    expect(texts[1]?.tokens).toBeGreaterThanOrEqual(1500);
    expect(texts[1]?.tokens).toBeLessThan(1520);
  });

  it('names what the model thought and called in a response', () => {
    const input = [
      user('a'),
      { type: 'reasoning' },
      { type: 'function_call' },
      { type: 'function_call_output' },
    ];
    expect(marks({ input }).map(({ assistant }) => assistant)).toEqual([false, true, true, false]);
  });

  it('does not take a role inside of a message for its own', () => {
    expect(marks({ messages: [{ role: 'user', content: [{ role: 'assistant' }] }] })[0]?.assistant).toBe(
      false,
    );
  });

  it.each([
    { name: 'of Ollama', message: { ...user('a'), images: [image(500), image(100_000)] }, images: 2 },
    {
      name: 'of OpenAI',
      message: user([{ type: 'image_url', image_url: { url: `data:image/png;base64,${image(900_000)}` } }]),
      images: 1,
    },
    {
      name: 'of Anthropic',
      message: user([
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: image(90_000) } },
      ]),
      images: 1,
    },
    { name: 'of a kind that nobody knows', message: user('A'.repeat(50_000)), images: 1 },
    { name: 'with escaped slashes', message: `{"images":["\\/9j\\/${'4AAQ\\/'.repeat(5000)}"]}`, images: 1 },
  ])('counts an image as 576 tokens: $name', ({ message, images }) => {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const [mark] = marks(`{"messages":[${text}]}`);
    expect(mark?.tokens).toBeGreaterThanOrEqual(576 * images);
    expect(mark?.tokens).toBeLessThan(576 * images + 60);
  });

  it('counts a text that only begins as base64 does for what it is', () => {
    const text = `${'A'.repeat(10_000)}${' lorem'.repeat(5000)}`;
    expect(marks({ messages: [user(text)] })[0]?.tokens).toBeGreaterThanOrEqual(10_000);
  });
});

describe('bodies that are not as they should be', () => {
  it.each([
    '',
    '[]',
    '"prompt"',
    'prompt=x',
    '{}',
    '{"messages":[]}',
    '{"messages":null}',
    '{"messages":"x"}',
    '{"messages":["a"]}',
    '{"input":["a","b"]}',
    '{"input":"a"}',
    '{"prompt":""}',
    '{"prompt":null}',
    '{"prompt":{"a":1}}',
    '{"messages":[{"role":"user","content":"a"},',
    '{"messages":[{]}]}',
    '{"prompt":"a',
  ])('%s gives no marks', (body) => {
    expect(marks(body)).toEqual([]);
  });

  it('never throws, wherever a body is cut and whatever its bytes', () => {
    const valid = Buffer.from(
      JSON.stringify({
        system: [{ type: 'text', text: 'é' }],
        tools: [1],
        messages: turn2,
        prompt: 'x"y',
        context: [1],
      }),
    );
    const random = seeded(3);
    for (let length = 0; length < valid.length; length += 1) prefixMarks(valid.subarray(0, length));
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = Buffer.from(valid);
      for (let flips = 0; flips < 3; flips += 1)
        bytes[Math.floor(random() * bytes.length)] = '{}[]",:\\ x\0'.charCodeAt(Math.floor(random() * 11));
      for (const { tokens } of prefixMarks(bytes)) expect(tokens).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('what a long body costs', () => {
  it('is bounded: after millions of small values the bytes are taken as they are', () => {
    const first = `{"a":[${'1,'.repeat(2_500_000)}1]}`;
    const body = (...others: string[]) => `{"messages":[${[first, ...others].join(',')}]}`;
    const [short, long] = [body('{"b":[1]}'), body('{"b":[1]}', '{"c":2}')];
    expect(shared(short, long)).toBe(2);
    expect(shared(body('{"b":[2]}'), long)).toBe(1);
    expect(marks(first.replace('{', '{"messages":[{').concat(']}'))[0]?.tokens).toBeGreaterThan(700_000);
  });

  it('is no more than 256 marks, the first and the last ones', () => {
    const messages = Array.from({ length: 100_000 }, (_, index) => (index % 2 ? said : user)(`${index}`));
    const begun = performance.now();
    const all = marks({ messages });
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(all).toHaveLength(MAX_MARKS);
    expect(shared({ messages: messages.slice(0, 16) }, { messages })).toBe(16);
    const before = new Set(hashes({ messages: messages.slice(0, -100) }));
    expect(all.filter(({ hash }) => before.has(hash))).toHaveLength(16 + 140);
    expect(hashes({ system: 'x', messages })).toHaveLength(MAX_MARKS);
    expect(hashes({ prompt: 'x'.repeat(10 << 20) })).toHaveLength(MAX_MARKS);
  });

  it.each([
    { name: 'an image', body: JSON.stringify({ messages: [{ images: ['A'.repeat(20 << 20)] }] }) },
    { name: 'a text', body: JSON.stringify({ messages: [user('lorem '.repeat(3 << 20))] }) },
    { name: 'a prompt', body: JSON.stringify({ prompt: 'lorem '.repeat(3 << 20) }) },
    { name: 'quotes', body: JSON.stringify({ messages: [user('"\\'.repeat(5 << 20))] }) },
    { name: 'numbers', body: `{"messages":[{"a":[${'1,'.repeat(10 << 20)}1]}]}` },
    { name: 'strings', body: `{"messages":[{"a":[${'"a",'.repeat(5 << 20)}1]}]}` },
    { name: 'keys', body: `{"messages":[{${'"cache_control":1,"type":2,'.repeat(1 << 19)}"a":1}]}` },
    { name: 'nesting', body: `{"messages":[{"a":${'['.repeat(1e7)}${']'.repeat(1e7)}}]}` },
    { name: 'nesting without end', body: `{"messages":[{"a":${'{"a":'.repeat(4e6)}` },
    { name: 'white space', body: `{"messages":[{"a":"b"${' '.repeat(2e7)}}]}` },
  ])('is about that of scanning it: 20 MB of $name', ({ body }) => {
    const bytes = Buffer.from(body);
    const scan = timed(() => scanTopLevel(bytes, new Set(['model'])));
    const hash = timed(() => prefixMarks(bytes));
    expect(hash).toBeLessThan(300 + 12 * scan);
  });
});

function timed(run: () => unknown): number {
  const begun = performance.now();
  run();
  return performance.now() - begun;
}

/** Mulberry32: the same numbers at every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
