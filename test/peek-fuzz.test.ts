import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { diceOf } from '../scripts/fleet/dice.ts';
import { systemClock } from '../src/clock.ts';
import { BodyDecoder } from '../src/ollama/decode-body.ts';
import { inputSpans, splitBodies, splitInputs } from '../src/ollama/embed-split.ts';
import { formModel } from '../src/ollama/form-model.ts';
import { peek, peekJson } from '../src/ollama/peek.ts';
import { isUnload } from '../src/ollama/unload.ts';
import { isDecodable } from '../src/ollama/zstd-frames.ts';
import { within } from './_deadline.ts';
import { REAL_ZSTD, zstdStored } from './_zstd.ts';

const CASES = 10_000;
const JSON_TEXT = Buffer.from(
  '{"model":"llama3:8b","name":"x\\u0041","options":{"num_ctx":4096,"stop":["}"]},"keep_alive":"0s","stream":false,' +
    '"input":["a","b\\"c",""],"messages":[],"prompt":"","files":{"a":"sha256:00"}}',
);
const FORM = Buffer.from(
  '--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n' +
    '--xyz\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--xyz--\r\n',
);

/** `original` with one to four bytes changed, stretches cut out, doubled or moved, or the end cut off. */
function mutated(original: Buffer, random: () => number, likely = '{}[]",:\\ \r\n-'): Buffer {
  let bytes = Buffer.from(original);
  const place = () => Math.floor(random() * bytes.length);
  for (let times = 1 + Math.floor(random() * 4); times > 0 && bytes.length > 0; times -= 1) {
    const [from = 0, to = 0] = [place(), place()].sort((a, b) => a - b);
    const kind = Math.floor(random() * 5);
    if (kind === 0) bytes[from] = Math.floor(random() * 256);
    else if (kind === 1) bytes[from] = likely.charCodeAt(Math.floor(random() * likely.length));
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
    else bytes = bytes.subarray(0, from);
  }
  return bytes;
}

describe('nothing in a body throws or hangs', () => {
  it(`${CASES} broken JSON bodies`, () => {
    const random = diceOf(1);
    let found = 0;
    for (let index = 0; index < CASES; index += 1) {
      const body = mutated(JSON_TEXT, random);
      const peeked = peekJson(body);
      if (peeked.model !== undefined) found += 1;
      expect(isUnload('/api/embed', peeked)).toBeTypeOf('boolean');
      const whole = parsed(body);
      // What JSON.parse takes for an object is read as it reads it.
      if (whole) {
        expect(peeked.complete).toBe(true);
        expect(peeked.fields.get('stream')).toEqual(whole.stream);
      }
      const spans = inputSpans(body);
      if (spans) splitBodies(body, spans, splitInputs(spans.from.length, [1, 2]));
    }
    expect(found).toBeGreaterThan(CASES / 10);
  });

  it(`${CASES} broken forms`, async () => {
    const random = diceOf(2);
    let found = 0;
    for (let done = 0; done < CASES; done += 100) {
      const bodies = Array.from({ length: 100 }, () => mutated(FORM, random, '\r\n-";:= xyz'));
      const models = Promise.all(bodies.map((body) => formModel('multipart/form-data; boundary=xyz', body)));
      found += (await within(10_000, 'forms', models)).filter((model) => model !== undefined).length;
    }
    expect(found).toBeGreaterThan(CASES / 10);
  });

  it.each([
    ['gzip', gzipSync(JSON_TEXT)],
    ['deflate', deflateSync(JSON_TEXT)],
    ['br', brotliCompressSync(JSON_TEXT)],
  ])('2,000 broken bodies in %s', async (coding, body) => {
    const random = diceOf(3);
    const decoder = new BodyDecoder({ clock: systemClock });
    for (let done = 0; done < 2000; done += 50) {
      const looks = Array.from({ length: 50 }, () =>
        peek({ 'content-encoding': coding }, mutated(body, random), decoder),
      );
      await within(10_000, coding, Promise.all(looks));
    }
    expect((await peek({ 'content-encoding': coding }, body, decoder)).model).toBe('llama3:8b');
  });

  it(`${CASES} broken zstd bodies, and the decoder for some of those that look whole`, async () => {
    const random = diceOf(4);
    const decoder = new BodyDecoder({ clock: systemClock });
    const whole: Buffer[] = [];
    for (let index = 0; index < CASES; index += 1) {
      const body = mutated(index % 2 === 0 ? REAL_ZSTD : zstdStored(JSON_TEXT), random);
      if (isDecodable(body, 1_000_000)) whole.push(body);
    }
    expect(whole.length).toBeGreaterThan(100);
    for (const body of whole.slice(0, 60)) {
      await within(5000, 'zstd', peek({ 'content-encoding': 'zstd' }, body, decoder));
    }
  });
});

function parsed(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
