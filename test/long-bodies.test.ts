import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { BodyDecoder } from '../src/ollama/decode-body.ts';
import { joinBytes } from '../src/ollama/join-bytes.ts';
import { LongLook } from '../src/ollama/long-look.ts';
import { peek, peekJson } from '../src/ollama/peek.ts';
import { scanWork } from '../src/ollama/work-scan.ts';
import { BodyPace } from '../src/proxy/body-pace.ts';
import { Gather } from '../src/proxy/gather.ts';
import { handClock } from './_hand-clock.ts';

const MIB = 1024 * 1024;
const decoder = new BodyDecoder({ clock: systemClock });

/** Turns that others get while a promise is under way. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const done = work.then(() => {
    over = true;
  });
  const turn = () => {
    turns += 1;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  await done;
  return turns;
}

describe('a long body', () => {
  const text = 'Why is the sky blue? '.repeat(10_000);
  const json = Buffer.from(
    JSON.stringify({ model: 'm', messages: [{ role: 'user', content: text }], options: { num_ctx: 8192 } }),
  );

  it('is seen as a short one would be, and its work, too', async () => {
    const aside = new LongLook(systemClock);
    const seen = await peek({}, json, decoder, undefined, aside);
    const { plain, work, ...rest } = seen;
    expect(plain?.equals(json)).toBe(true);
    const { plain: _plain, ...direct } = peekJson(json);
    expect(rest).toEqual(direct);
    expect(work).toEqual(scanWork(json));
  });

  it.each([
    ['escapes', Buffer.from(`{"a":"${'\\"'.repeat(4 * MIB)}","model":"m"}`)],
    ['brackets', Buffer.from(`{"a":[${'['.repeat(8 * MIB)}`)],
    ['blanks', Buffer.from(`${' '.repeat(8 * MIB)}{"model":"m"}`)],
  ])('of %s leaves others their turn while it is looked through', async (_of, body) => {
    const aside = new LongLook(systemClock);
    await aside.look(json); // The thread has begun.
    const shared = await joinBytes([body]);
    const look = aside.look(shared);
    expect(await turnsDuring(look)).toBeGreaterThan(50);
    expect((await look)?.peeked.model).toBe(peekJson(body).model);
  });

  it('is joined in turns with others, to the byte', async () => {
    const parts = Array.from({ length: 500 }, (_, i) => Buffer.alloc(33_333, i));
    const joining = joinBytes(parts);
    expect(await turnsDuring(joining)).toBeGreaterThan(10);
    expect((await joining).equals(Buffer.concat(parts))).toBe(true);
  });

  it.each([
    ['known', 5_000_000],
    ['unknown', Number.NaN],
    ['told too short', 1_500_000],
  ])('is gathered whole when its length is %s', async (_how, length) => {
    const gather = new Gather(length);
    const parts = Array.from({ length: 100 }, (_, i) => Buffer.alloc(50_000, i));
    let taken = 0;
    for (const part of parts) taken += gather.add(part);
    expect(gather.bytes).toBe(5_000_000);
    expect(taken).toBeGreaterThanOrEqual(5_000_000);
    expect(taken).toBeLessThan(5_000_000 + MIB);
    expect((await gather.joined()).equals(Buffer.concat(parts))).toBe(true);
  });
});

describe('the pace of bodies', () => {
  it('is that of the wire for one body of 32 MiB, then 8 MiB a second, for each peer', () => {
    const clock = handClock();
    const pace = new BodyPace(clock);
    expect(pace.took('a', 32 * MIB)).toBe(0);
    expect(pace.took('a', 8 * MIB)).toBe(1000);
    expect(pace.took('b', 8 * MIB)).toBe(0);
    clock.pass(3000);
    expect(pace.took('a', 8 * MIB)).toBe(0);
  });
});
