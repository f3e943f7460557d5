import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BodyDecoder } from '../src/ollama/decode-body.ts';
import { peek } from '../src/ollama/peek.ts';
import { within } from './_deadline.ts';

const MIB = 1024 * 1024;
const decoder = new BodyDecoder({ clock: systemClock });
const part = (disposition: string, content: string | Buffer, more = '') =>
  Buffer.concat([
    Buffer.from(`--xyz\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
const end = Buffer.from('--xyz--\r\n');
const form = (...parts: Buffer[]) => Buffer.concat([...parts, end]);
const modelOf = async (body: Buffer, contentType = 'multipart/form-data; boundary=xyz') =>
  (await peek({ 'content-type': contentType }, body, decoder)).model;

const model = part('name="model"', 'whisper:small');
const language = part('name="language"', 'en');
const file = (bytes: number) =>
  part('name="file"; filename="a.wav"', randomBytes(bytes), 'Content-Type: audio/wav\r\n');

it.each([
  { what: 'before the file', body: form(model, file(1000)), expected: 'whisper:small' },
  { what: 'after the file', body: form(language, file(300_000), model), expected: 'whisper:small' },
  { what: 'alone', body: form(model), expected: 'whisper:small' },
  { what: 'twice: the first', body: form(model, part('name="model"', 'b')), expected: 'whisper:small' },
  { what: 'in letters beyond ASCII', body: form(part('name="model"', 'é€')), expected: 'é€' },
  { what: 'unquoted', body: form(part('name=model', 'a')), expected: 'a' },
  {
    what: 'after a long text',
    body: form(part('name="prompt"', 'p'.repeat(3 * MIB)), model),
    expected: 'whisper:small',
  },
  { what: 'after 63 fields', body: form(...Array(63).fill(language), model), expected: 'whisper:small' },
  { what: 'after 64 fields', body: form(...Array(64).fill(language), model), expected: undefined },
  { what: 'nowhere', body: form(language, file(1000)), expected: undefined },
  { what: 'empty', body: form(part('name="model"', '')), expected: undefined },
  { what: 'as a file', body: form(part('name="model"; filename="m"', 'a')), expected: undefined },
  { what: 'too long', body: form(part('name="model"', 'a'.repeat(5000))), expected: undefined },
  { what: 'in another case', body: form(part('name="Model"', 'a')), expected: undefined },
  {
    what: 'in a beginning that ends after it',
    body: Buffer.concat([model, file(9000).subarray(0, 5000)]),
    expected: 'whisper:small',
  },
  { what: 'in a beginning that ends within it', body: model.subarray(0, -8), expected: undefined },
  { what: 'in no form at all', body: Buffer.from('{"model":"a"}'), expected: undefined },
])('a form with the model $what', async ({ body, expected }) => {
  expect(await modelOf(body)).toBe(expected);
});

it.each([
  'multipart/form-data',
  'multipart/form-data; boundary=',
  'multipart/form-data; boundary="',
  `multipart/form-data; boundary=${'x'.repeat(300)}`,
  'multipart/form-data; boundary=other',
  'multipart/form-data; charset=nope; boundary*=xyz',
])('a form under "%.60s" has no model', async (contentType) => {
  expect(await modelOf(form(model), contentType)).toBeUndefined();
});

it.each(['Multipart/Form-Data; charset=utf-8; Boundary="xyz"', ' multipart/form-data ; boundary=xyz'])(
  'a form under "%s" has its model',
  async (contentType) => {
    expect(await modelOf(form(model), contentType)).toBe('whisper:small');
  },
);

it.each([
  undefined,
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-datax',
  'nonsense; ;=',
])('JSON under content type %s is JSON', async (contentType) => {
  const headers = contentType === undefined ? {} : { 'content-type': contentType };
  expect((await peek(headers, Buffer.from('{"model":"a"}'), decoder)).model).toBe('a');
});

it('a compressed form has its model', async () => {
  const headers = { 'content-type': 'multipart/form-data; boundary=xyz', 'content-encoding': 'gzip' };
  expect((await peek(headers, gzipSync(form(file(1000), model)), decoder)).model).toBe('whisper:small');
});

/** Runs `work` and gives its time and the longest time that nothing else got a turn, ms. */
async function watched(work: () => Promise<unknown>): Promise<{ ms: number; stalledMs: number }> {
  const started = performance.now();
  let stalledMs = 0;
  let last = started;
  let running = true;
  const turn = () => {
    stalledMs = Math.max(stalledMs, performance.now() - last);
    last = performance.now();
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await within(20_000, 'looking for the model', work());
  turn();
  running = false;
  return { ms: performance.now() - started, stalledMs };
}

it.each([
  { what: 'a file of 20 MiB before the model', body: form(file(20 * MIB), model), expected: 'whisper:small' },
  { what: 'a file of 32 MiB and no model', body: form(file(32 * MIB)), expected: undefined },
  {
    what: '20 MiB of line ends',
    body: form(part('name="file"; filename="f"', '\r\n'.repeat(10 * MIB)), model),
    expected: 'whisper:small',
  },
  {
    what: '20 MiB of almost boundaries',
    body: form(part('name="file"; filename="f"', '\r\n--xy'.repeat(3.4 * MIB)), model),
    expected: 'whisper:small',
  },
  {
    what: '20 MiB of text before the model',
    body: form(part('name="prompt"', 'p'.repeat(20 * MIB)), model),
    expected: 'whisper:small',
  },
  {
    what: 'three million parts',
    body: form(Buffer.from('--xyz\r\n'.repeat(3 * MIB)), model),
    expected: undefined,
  },
  {
    what: '20 MiB of one header',
    body: form(part(`name="${'a'.repeat(20 * MIB)}"`, ''), model),
    expected: 'whisper:small',
  },
])('$what take no second and little memory, and others get their turn', async ({ body, expected }) => {
  await modelOf(form(model));
  const before = process.resourceUsage().maxRSS;
  let found: string | undefined;
  const { ms, stalledMs } = await watched(async () => {
    found = await modelOf(body);
  });
  expect(found).toBe(expected);
  expect(ms).toBeLessThan(5000);
  expect(stalledMs).toBeLessThan(1000);
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(64 * 1024); // KiB.
});
