import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createBrotliCompress, createDeflate, createGzip } from 'node:zlib';
import { expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BodyDecoder } from '../src/ollama/decode-body.ts';
import { peek, peekJson } from '../src/ollama/peek.ts';
import { within } from './_deadline.ts';
import { zstdEndless, zstdSpaces } from './_zstd.ts';

const MIB = 1024 * 1024;
const spaces = Buffer.alloc(MIB, ' ');
const mibOfSpaces = (count: number) => Readable.from(Array<Buffer>(count).fill(spaces));

/** Looks into `times` such bodies at once; the memory that took at most, MiB, and the longest stall, ms. */
async function cost(coding: string, body: Buffer, times: number) {
  const decoder = new BodyDecoder({ clock: systemClock });
  const look = (bytes: Buffer) => peek({ 'content-encoding': coding }, bytes, decoder);
  const rssBefore = process.memoryUsage.rss();
  let rss = rssBefore;
  const started = performance.now();
  let last = started;
  let stalledMs = 0;
  const ticking = setInterval(() => {
    stalledMs = Math.max(stalledMs, performance.now() - last);
    last = performance.now();
    rss = Math.max(rss, process.memoryUsage.rss());
  }, 5);
  try {
    const all = Promise.all(Array.from({ length: times }, () => look(body)));
    const models = (await within(15_000, 'looking', all)).map(({ model }) => model);
    return {
      models: new Set(models),
      grownMib: (rss - rssBefore) / MIB,
      stalledMs,
      ms: performance.now() - started,
    };
  } finally {
    clearInterval(ticking);
  }
}

it.each([
  { coding: 'gzip', make: () => buffer(mibOfSpaces(256).pipe(createGzip())) },
  { coding: 'deflate', make: () => buffer(mibOfSpaces(256).pipe(createDeflate())) },
  { coding: 'br', make: () => buffer(mibOfSpaces(256).pipe(createBrotliCompress({ params: { 1: 1 } }))) },
  { coding: 'zstd', make: async () => zstdSpaces(2048) },
])('256 MiB of spaces in $coding takes the memory of 20 MiB, eight at once too', async ({ coding, make }) => {
  const { models, grownMib, stalledMs } = await cost(coding, await make(), 8);
  expect(models).toEqual(new Set([undefined]));
  expect(grownMib).toBeLessThan(192);
  expect(stalledMs).toBeLessThan(1000);
});

it('zstd that claims copies without end is given up after two seconds, in a thread of its own', async () => {
  const { models, ms, stalledMs } = await cost('zstd', zstdEndless(), 2);
  expect(models).toEqual(new Set([undefined]));
  expect(ms).toBeGreaterThan(1900);
  expect(ms).toBeLessThan(8000);
  expect(stalledMs).toBeLessThan(1000);
});

it.each([
  ['members', '{', '"m":1,'],
  ['opening brackets', '{"m":', '['],
  ['quotes', '{"m":["a"', ',"a"'],
  ['escaped quotes', '{"m":"', '\\"'],
  ['backslashes', '{"m":"', '\\'],
  ['spaces', '{"m":', ' '],
])('32 MiB of %s are walked in a moment', (_, start, unit) => {
  const body = Buffer.from(start + unit.repeat((32 * MIB) / unit.length));
  const started = performance.now();
  expect(peekJson(body)).toMatchObject({ model: undefined, complete: false });
  expect(performance.now() - started).toBeLessThan(2000);
});
