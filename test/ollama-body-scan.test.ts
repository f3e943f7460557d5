import { describe, expect, it } from 'vitest';
import { diceOf } from '../scripts/fleet/dice.ts';
import { scanTopLevel } from '../src/ollama/body-scan.ts';

const WANTED = new Set(['model', 'stream', 'options']);
const scan = (json: string | Buffer): Record<string, unknown> =>
  Object.fromEntries(scanTopLevel(Buffer.from(json as string), WANTED));

describe('what is read out of a body', () => {
  it.each([
    { json: '{"model":"x"}', is: { model: 'x' } },
    { json: ' \r\n\t{ "model" : "x" , "stream" : false } trailing', is: { model: 'x', stream: false } },
    { json: '{"Model":"x","STREAM":true}', is: { model: 'x', stream: true } },
    { json: '{"model":"a","model":"b"}', is: { model: 'b' } },
    { json: '{"model":"a","model":null}', is: { model: 'a' } },
    { json: '{"m\\u006fdel":"\\u0078\\n"}', is: { model: 'x\n' } },
    { json: '{"messages":[{"model":"no","content":"}]\\"{"}],"model":"yes"}', is: { model: 'yes' } },
    { json: '{"a":{"model":"no"},"model":"yes","b":[[],{"model":"no"}]}', is: { model: 'yes' } },
    { json: '{"seed":12345678901234567890123,"model":"x"}', is: { model: 'x' } },
    { json: '{"a":"\\\\","model":"x"}', is: { model: 'x' } },
    { json: '{"a":"\\\\\\"","model":"x"}', is: { model: 'x' } },
    { json: '{"options":{"num_ctx":4096},"model":"x"}', is: { options: { num_ctx: 4096 }, model: 'x' } },
    { json: '{"model":5}', is: { model: 5 } },
    { json: '{"model":"é💥"}', is: { model: 'é💥' } },
    { json: '{"model":"x"', is: { model: 'x' } },
    { json: '{"model":"x","rest":', is: { model: 'x' } },
    { json: '{"model":"x', is: {} },
    { json: '{"model"', is: {} },
    { json: '{}', is: {} },
    { json: '[{"model":"x"}]', is: {} },
    { json: '"model"', is: {} },
    { json: '', is: {} },
    { json: 'model=x', is: {} },
    { json: '{model:"x"}', is: {} },
    { json: "{'model':'x'}", is: {} },
    { json: '{"__proto__":{"model":"x"}}', is: {} },
  ])('$json gives $is', ({ json, is }) => {
    expect(scan(json)).toEqual(is);
  });

  it('is what JSON.parse reads, for any document made at random', () => {
    const random = diceOf(1);
    for (let round = 0; round < 2000; round += 1) {
      const value = randomObject(random, 0);
      const json = JSON.stringify(value, undefined, random() < 0.3 ? 2 : undefined);
      const expected: Record<string, unknown> = {};
      for (const key of WANTED)
        if (value[key] !== undefined && value[key] !== null) expected[key] = value[key];
      expect(scan(json)).toEqual(expected);
    }
  });

  it('never throws and never hangs, whatever the bytes', () => {
    const random = diceOf(2);
    const valid = Buffer.from(
      '{"a":[1,{"b":"c\\"d"}],"model":"llama3:latest","options":{"num_ctx":1},"stream":true}',
    );
    const begun = performance.now();
    for (let length = 0; length <= valid.length; length += 1) scanTopLevel(valid.subarray(0, length), WANTED);
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = Buffer.from(valid);
      for (let flips = 0; flips < 3; flips += 1)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      scanTopLevel(bytes, WANTED);
    }
    for (const text of [
      '{'.repeat(1e6),
      '['.repeat(1e6),
      '{"a":'.repeat(1e5),
      '"'.repeat(1e6),
      '\\'.repeat(1e6),
    ]) {
      scanTopLevel(Buffer.from(`{"x":${text}`), WANTED);
    }
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('costs a 20 MB image no more than a moment', () => {
    const body = Buffer.from(JSON.stringify({ messages: [{ images: ['A'.repeat(20 << 20)] }], model: 'x' }));
    const begun = performance.now();
    expect(scanTopLevel(body, WANTED).get('model')).toBe('x');
    expect(performance.now() - begun).toBeLessThan(250);
  });

  it('costs a string of quotes and backslashes no more than its length', () => {
    const body = Buffer.from(`{"a":"${'\\\\'.repeat(2 << 20)}${'\\"'.repeat(2 << 20)}","model":"x"}`);
    const begun = performance.now();
    expect(scanTopLevel(body, WANTED).get('model')).toBe('x');
    expect(performance.now() - begun).toBeLessThan(2000);
  });
});

function randomObject(random: () => number, depth: number): Record<string, unknown> {
  const keys = ['model', 'stream', 'options', 'a', 'b"c', 'd\\', '{', ']', 'é', ''];
  const count = Math.floor(random() * 6);
  return Object.fromEntries(
    Array.from({ length: count }, () => [
      keys[Math.floor(random() * keys.length)],
      randomValue(random, depth + 1),
    ]),
  );
}

function randomValue(random: () => number, depth: number): unknown {
  const kind = Math.floor(random() * (depth > 3 ? 5 : 7));
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return Math.round((random() - 0.5) * 1e6) / 100;
  if (kind <= 4)
    return Array.from({ length: Math.floor(random() * 8) }, () =>
      '"\\{}[],: \n€x'.charAt(Math.floor(random() * 12)),
    ).join('');
  if (kind === 5)
    return Array.from({ length: Math.floor(random() * 4) }, () => randomValue(random, depth + 1));
  return randomObject(random, depth);
}
