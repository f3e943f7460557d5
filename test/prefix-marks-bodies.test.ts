import { describe, expect, it } from 'vitest';
import { diceOf } from '../scripts/fleet/dice.ts';
import { scanTopLevel } from '../src/ollama/body-scan.ts';
import { MAX_MARKS, prefixMarks } from '../src/ollama/prefix-hashes.ts';
import { hashes, marks, said, shared, turn2, user } from './_prefix-marks.ts';

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
    const random = diceOf(3);
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
