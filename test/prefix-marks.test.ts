import { describe, expect, it } from 'vitest';
import { image, marks, said, shared, turn1, turn2, user } from './_prefix-marks.ts';

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
