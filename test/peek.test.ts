import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BodyDecoder } from '../src/ollama/decode-body.ts';
import { peek, peekJson } from '../src/ollama/peek.ts';
import { isDecodable } from '../src/ollama/zstd-frames.ts';
import { block, frame, REAL_ZSTD, zstdStored } from './_zstd.ts';

const LIMIT = 20 * 1024 * 1024;
const decoder = new BodyDecoder({ clock: systemClock });
const json = (text: string) => peekJson(Buffer.from(text));
const encoded = (coding: string, body: Buffer) => peek({ 'content-encoding': coding }, body, decoder);

describe('the model of a JSON body', () => {
  it.each([
    ['{"model":"a"}', 'a'],
    [' \r\n\t{ "stream" : true , "model" : "a" } trailing', 'a'],
    ['{"name":"a"}', 'a'],
    ['{"name":"b","model":"a"}', 'a'],
    ['{"name":"b","model":""}', 'b'],
    ['{"MODEL":"a"}', 'a'],
    ['{"model":"b","Model":"a"}', 'a'],
    ['{"\\u006dodel":"a\\u00e9"}', 'aé'],
    ['{"x":{"model":"b"},"y":["}",{"model":"c"}],"z":"\\"model\\":\\\\","model":"a"}', 'a'],
    ['{"model":"a","messages":[{"content":"cut off he', 'a'],
    ['{"messages":[{"content":"cut off he', undefined],
    ['{"model":"cut', undefined],
    ['{"model":7}', undefined],
    ['{"model":null}', undefined],
    ['{"model":""}', undefined],
    ['{"model":{"name":"a"}}', undefined],
    ['{"model" "a"}', undefined],
    ['["model","a"]', undefined],
    ['"model"', undefined],
    ['model=a', undefined],
    ['', undefined],
  ])('%s', (text, model) => {
    expect(json(text).model).toBe(model);
  });

  it('is looked for in no more than 1,000 members', () => {
    const members = (count: number) => `{${'"x":1,'.repeat(count)}"model":"a"}`;
    expect(json(members(999)).model).toBe('a');
    expect(json(members(1000)).model).toBeUndefined();
  });
});

describe('the other fields of a JSON body', () => {
  it('are those that decide where it goes, with their values', () => {
    const { fields } = json(
      '{"source":"a","destination":"b","from":"c","files":{"f.gguf":"sha256:00"},"options":{"num_ctx":8192},' +
        '"stream":false,"keep_alive":"5m","prompt":"p","messages":[1],"input":"i","template":"t"}',
    );
    expect(Object.fromEntries(fields)).toEqual({
      source: 'a',
      destination: 'b',
      from: 'c',
      files: { 'f.gguf': 'sha256:00' },
      options: { num_ctx: 8192 },
      stream: false,
      keep_alive: '5m',
    });
  });

  it.each([
    ['{"prompt":"x","messages":[{}],"input":["x"]}', ['prompt', 'messages', 'input']],
    [`{"prompt":"${'x'.repeat(100_000)}"}`, ['prompt']],
    ['{"prompt":"","messages":[],"input":""}', []],
    ['{"prompt": null ,"messages": [ \n ] ,"input":\t[]\t}', []],
    ['{"prompt":"x","prompt":""}', []],
    ['{"prompt":"","PROMPT":"x"}', ['prompt']],
    ['{"input":[""]}', ['input']],
    ['{}', []],
  ])('say whether there is content: %.60s', (text, content) => {
    expect([...json(text).content].sort()).toEqual([...content].sort());
  });

  it.each([
    ['{}', true],
    ['{"model":"a"} ', true],
    ['{"model":"a"}{"model":"b"}', true],
    ['{"model":"a",}', false],
    ['{"model":"a"', false],
    ['{"model":"a","x":[1', false],
    ['[]', false],
    ['', false],
  ])('say whether the object was whole: %s', (text, complete) => {
    expect(json(text).complete).toBe(complete);
  });
});

describe('a compressed body', () => {
  const text = Buffer.from(
    `{"model":"a","messages":[{"content":"${'hello '.repeat(50_000)}"}],"stream":true}`,
  );
  const codings = [
    { coding: 'gzip', bytes: gzipSync(text) },
    { coding: 'X-GZip ', bytes: gzipSync(text) },
    { coding: 'deflate', bytes: deflateSync(text) },
    { coding: 'deflate', bytes: deflateRawSync(text) },
    { coding: 'br', bytes: brotliCompressSync(text) },
    { coding: 'zstd', bytes: zstdStored(text) },
    { coding: 'identity', bytes: text },
  ];

  it.each(codings)('is looked into ($coding)', async ({ coding, bytes }) => {
    const before = Buffer.from(bytes);
    const { model, fields, content, complete } = await encoded(coding, bytes);
    expect({ model, stream: fields.get('stream'), content: [...content], complete }).toEqual({
      model: 'a',
      stream: true,
      content: ['messages'],
      complete: true,
    });
    expect(bytes.equals(before)).toBe(true);
  });

  it.each([
    ['gzip', gzipSync(text, { level: 0 })],
    ['deflate', deflateSync(text, { level: 0 })],
    ['zstd', zstdStored(text)],
  ])('of which only the beginning is here gives what is in that (%s)', async (coding, bytes) => {
    expect(await encoded(coding, bytes.subarray(0, 200_000))).toMatchObject({ model: 'a', complete: false });
  });

  it.each([
    ['gzip', Buffer.from('{"model":"a"}')],
    ['deflate', Buffer.from('{"model":"a"}')],
    ['br', Buffer.from('{"model":"a"}')],
    ['zstd', Buffer.from('{"model":"a"}')],
    ['zstd', zstdStored(text).fill(0xff, 6, 9)],
    ['zstd', REAL_ZSTD.subarray(0, 40)],
    ['zstd', Buffer.concat([REAL_ZSTD.subarray(0, 30), Buffer.alloc(100), REAL_ZSTD.subarray(130)])],
    ['gzip, zstd', gzipSync(text)],
    ['compress', text],
    ['gzip', Buffer.alloc(0)],
    ['zstd', Buffer.alloc(0)],
  ])('that cannot be decoded has no model (%s, %#)', async (coding, bytes) => {
    expect(await encoded(coding, bytes)).toMatchObject({ model: undefined, complete: false });
  });

  it('is decoded up to 20 MiB and no further', async () => {
    const of = (length: number) => Buffer.from(`{"model":"a"}${' '.repeat(length - 13)}`);
    for (const [coding, compress] of [
      ['gzip', gzipSync],
      ['br', (body: Buffer) => brotliCompressSync(body, { params: { 1: 1 } })],
      ['zstd', zstdStored],
    ] as const) {
      expect((await encoded(coding, compress(of(LIMIT)))).model, coding).toBe('a');
      expect((await encoded(coding, compress(of(LIMIT + 1)))).model, coding).toBeUndefined();
    }
  });

  it('made by a real zstd is looked into, also when it comes in several frames', async () => {
    const { model, fields, complete } = await encoded('zstd', REAL_ZSTD);
    expect({ model, stream: fields.get('stream'), complete }).toEqual({
      model: 'llama3:8b',
      stream: true,
      complete: true,
    });
    const skipped = Buffer.from('5f2a4d1803000000616263', 'hex');
    const frames = [
      skipped,
      zstdStored(Buffer.from('{"x":1,')),
      zstdStored(Buffer.from('"model":')),
      skipped,
    ];
    const body = Buffer.concat([...frames, zstdStored(Buffer.from('"b"}'))]);
    expect(await encoded('zstd', body)).toMatchObject({ model: 'b', complete: true });
  });

  it('does not keep its memory or its place when many come at once', async () => {
    const own = new BodyDecoder({ clock: systemClock });
    const all = await Promise.all(
      Array.from({ length: 66 }, () => peek({ 'content-encoding': 'gzip' }, gzipSync(text), own)),
    );
    expect(all.map(({ model }) => model)).toEqual(all.map(() => 'a'));
    const some = Array.from({ length: 100 }, () => peek({ 'content-encoding': 'gzip' }, gzipSync(text), own));
    expect((await Promise.all(some)).filter(({ model }) => model === 'a')).toHaveLength(66);
    expect((await peek({ 'content-encoding': 'gzip' }, gzipSync(text), own)).model).toBe('a');
  });
});

describe('zstd data', () => {
  const frameOf = (header: number[]) =>
    Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...header]), block(0, Buffer.from('{}'), true)]);

  it.each([
    { what: 'a window of 8 MiB', data: frameOf([0x00, 13 << 3]), good: true },
    { what: 'a window of 9 MiB', data: frameOf([0x00, (13 << 3) | 1]), good: false },
    { what: 'a window of 3.75 TiB', data: frameOf([0x00, 0xff]), good: false },
    { what: 'a single segment of 2', data: frameOf([0x20, 2]), good: true },
    { what: 'a single segment of 8 MiB', data: frameOf([0xa0, 0, 0, 0x80, 0]), good: true },
    { what: 'a single segment of 8 MiB and 1', data: frameOf([0xa0, 1, 0, 0x80, 0]), good: false },
    { what: 'a single segment of 258', data: frameOf([0x60, 2, 0]), good: true },
    { what: 'content of 20 MiB', data: frameOf([0x80, 0x38, 0, 0, 0x40, 1]), good: true },
    { what: 'content of 20 MiB and 1', data: frameOf([0x80, 0x38, 1, 0, 0x40, 1]), good: false },
    { what: 'content of 2^64 - 1', data: frameOf([0xc0, 0x38, ...Array(8).fill(255)]), good: false },
    { what: 'dictionary 0', data: frameOf([0x01, 0x38, 0]), good: true },
    { what: 'dictionary 7', data: frameOf([0x01, 0x38, 7]), good: false },
    { what: 'the reserved bit', data: frameOf([0x08, 0x38]), good: false },
    { what: 'a reserved block type', data: frame([block(3, Buffer.from('{}'), true)]), good: false },
    {
      what: 'a block of over 128 KiB',
      data: frame([block(1, Buffer.from(' '), true, 131_073)]),
      good: false,
    },
    { what: '16 frames', data: Buffer.concat(Array(16).fill(zstdStored(Buffer.from('{}')))), good: true },
    { what: '17 frames', data: Buffer.concat(Array(17).fill(zstdStored(Buffer.from('{}')))), good: false },
    { what: '16,384 blocks', data: frame(Array(16_384).fill(block(0, Buffer.from(' '), false))), good: true },
    {
      what: '16,385 blocks',
      data: frame(Array(16_385).fill(block(0, Buffer.from(' '), false))),
      good: false,
    },
    { what: 'nothing', data: Buffer.alloc(0), good: false },
    { what: 'a cut header', data: frameOf([0x00, 13 << 3]).subarray(0, 5), good: false },
  ])('with $what is given to the decoder: $good', ({ data, good }) => {
    expect(isDecodable(data, LIMIT)).toBe(good);
  });
});
