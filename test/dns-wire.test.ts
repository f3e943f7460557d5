import { encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { recordsOf, targetsOf, urlOf } from '../src/discovery/dns-answer.ts';
import { encodeQuestion, readAnswer } from '../src/discovery/dns-wire.ts';
import { a, aaaa, cname, message, soa, srv } from './_dns.ts';

const NAME = '_ollama._tcp.gpu.example';
const QUESTION = { name: NAME, type: 'SRV' } as const;
const ASKED = { ...QUESTION, id: 7 };
const REAL = message(ASKED, {
  answers: [srv(NAME, 'gpu1.example', 11435), srv(NAME, 'gpu2.example', 11434, 5)],
  additionals: [a('gpu1.example', '10.0.0.1'), aaaa('gpu2.example', 'fd00::2')],
});

const read = (bytes: Buffer) => readAnswer(bytes, 7, QUESTION);
const changed = (at: number, value: number) => {
  const bytes = Buffer.from(REAL);
  bytes[at] = value;
  return bytes;
};

describe('an answer', () => {
  it('is read with its times in milliseconds and names in lower case', () => {
    const bytes = message(
      { ...ASKED, name: NAME.toUpperCase() },
      { answers: [srv(NAME.toUpperCase(), 'GPU1.Example.', 1, 2, 30)] },
    );
    expect(read(bytes)).toMatchObject({
      code: 0,
      truncated: false,
      answers: [
        { type: 'SRV', name: NAME, ttlMs: 30_000, data: { priority: 2, port: 1, target: 'gpu1.example' } },
      ],
    });
  });

  it('says how long an absence counts, where the zone does', () => {
    expect(read(message(ASKED, { code: 3 }))).toMatchObject({ code: 3, absentMs: undefined });
    const bytes = message(ASKED, { authorities: [soa('example', 60, 5)] });
    expect(read(bytes)).toMatchObject({ code: 0, absentMs: 5000 });
  });

  it('with an impossible time counts for none', () => {
    expect(read(message(ASKED, { answers: [srv(NAME, 'x', 1, 0, 2 ** 32 - 1)] }))?.answers[0]?.ttlMs).toBe(0);
  });

  it.each([
    ['another id', changed(1, 8)],
    ['a question, not an answer', changed(2, 1)],
    ['another operation', changed(2, 0x89)],
    ['another name asked for', message({ ...ASKED, name: '_ollama._tcp.gpu.exampld' }, {})],
    ['another type asked for', message({ ...ASKED, type: 'A' }, {})],
    ['two questions', changed(5, 2)],
    ['no question', changed(5, 0)],
    ['more records than there are', changed(7, 200)],
    ['an end in the middle of its last address', REAL.subarray(0, REAL.length - 1)],
    ['a header that is cut', REAL.subarray(0, 11)],
    ['nothing', Buffer.alloc(0)],
  ])('is none with %s', (_what, bytes) => {
    expect(read(bytes)).toBeUndefined();
  });

  it('that was cut in the middle of a record still says that it was cut', () => {
    const bytes = Buffer.from(REAL.subarray(0, REAL.length - 3));
    bytes[2]! |= 0x02;
    expect(read(bytes)).toMatchObject({ truncated: true, answers: [] });
  });

  it('of a server that does not understand the question needs not repeat it', () => {
    expect(read(Buffer.from('000780010000000000000000', 'hex'))).toMatchObject({ code: 1 });
  });

  it('never throws: every prefix, every flipped bit, and 10 000 random messages', () => {
    for (let length = 0; length <= REAL.length; length += 1) read(REAL.subarray(0, length));
    for (let bit = 0; bit < REAL.length * 8; bit += 1) {
      const answer = read(changed(bit >> 3, REAL[bit >> 3]! ^ (1 << (bit & 7))));
      if (answer) targetsOf(answer, NAME);
    }
    let state = 1;
    const random = () => (state = (state * 48_271) % 0x7fff_ffff);
    for (let round = 0; round < 10_000; round += 1) {
      const bytes = Buffer.from(Array.from({ length: random() % 200 }, () => random() & 255));
      // Half of them look like ours up to the records.
      read(round % 2 ? bytes : Buffer.concat([REAL.subarray(0, 42), bytes]));
    }
  });
});

describe('what takes long to read', () => {
  /** A message of 64 kB: one record of an unknown type is a chain of references, and all others' names begin at its end. */
  function maze(): Buffer {
    const head = Buffer.from(message(ASKED, {}));
    const start = head.length + 11;
    const chain = [0, 0];
    for (let at = start + 2; at < 0x3f00; at += 2) chain.push(0xc0 | ((at - 2) >> 8), (at - 2) & 255);
    const holder = Buffer.from([
      0,
      0,
      200,
      0,
      1,
      0,
      0,
      0,
      0,
      chain.length >> 8,
      chain.length & 255,
      ...chain,
    ]);
    const last = start + chain.length - 2;
    const one = Buffer.from([0xc0 | (last >> 8), last & 255, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4]);
    const rest = Math.floor((65_535 - head.length - holder.length) / one.length);
    head.writeUInt16BE(rest + 1, 6);
    return Buffer.concat([head, holder, ...Array<Buffer>(rest).fill(one)]);
  }

  it('is refused where names are chains of references', () => {
    const bytes = maze();
    expect(bytes.length).toBeGreaterThan(60_000);
    expect(read(bytes)).toBeUndefined();
  });

  it('is cut after 512 records', () => {
    const answers = Array.from({ length: 1500 }, (_, i) => srv('a', `h${i}`, 1));
    const bytes = message({ id: 7, name: 'a', type: 'SRV' }, { answers, additionals: [a('h1', '1.2.3.4')] });
    const answer = readAnswer(bytes, 7, { name: 'a', type: 'SRV' });
    expect([answer?.answers.length, answer?.additionals.length]).toEqual([512, 0]);
  });

  it('is not an answer with many addresses of a usual network', () => {
    const answers = Array.from({ length: 250 }, (_, i) => a(NAME, `192.168.${i}.${255 - i}`));
    expect(read(message(ASKED, { answers }))?.answers).toHaveLength(250);
  });
});

it('a question says over UDP how long its answer may be, and over TCP nothing', () => {
  expect(encodeQuestion(7, QUESTION, 'tcp')).toEqual(
    encode({ type: 'query', id: 7, flags: 0x0100, questions: [QUESTION] }),
  );
  expect(encodeQuestion(7, QUESTION, 'udp').subarray(-11).toString('hex')).toBe('00002904d0000000000000');
});

describe('records', () => {
  const records = (
    answers: Parameters<typeof message>[1]['answers'],
    name = 'a',
    type: 'A' | 'SRV' = 'A',
  ) => {
    const answer = readAnswer(message({ id: 7, name, type }, { answers: answers ?? [] }), 7, { name, type });
    return recordsOf(answer!.answers, { name, type });
  };

  it('are found through aliases, and count as long as the shortest of them', () => {
    const chain = [cname('a', 'b', 9), cname('b', 'c', 5), a('c', '10.0.0.1', 7), a('d', '10.0.0.9', 1)];
    expect(records(chain)).toMatchObject({ records: [{ data: '10.0.0.1' }], ttlMs: 5000 });
  });

  it('are none where aliases run in a circle, to nowhere, or on and on', () => {
    expect(records([cname('a', 'b'), cname('b', 'a')]).records).toEqual([]);
    expect(records([cname('a', 'a')]).records).toEqual([]);
    expect(records([cname('a', 'b')]).records).toEqual([]);
    const long = Array.from({ length: 20 }, (_, i) => cname(i === 0 ? 'a' : `n${i}`, `n${i + 1}`));
    expect(records([...long, a('n20', '10.0.0.1')]).records).toEqual([]);
  });

  const targets = (...answers: ReturnType<typeof srv>[]) =>
    targetsOf(readAnswer(message(ASKED, { answers }), 7, QUESTION)!, NAME).records;

  it('become tiers by priority, in an order that does not depend on theirs', () => {
    const all = [
      srv(NAME, 'z', 1, 20),
      srv(NAME, 'b', 1, 10),
      srv(NAME, 'a', 2, 10),
      srv(NAME, 'a', 1, 65_535),
    ];
    const expected = [
      { host: 'a', port: 2, tier: 0 },
      { host: 'b', port: 1, tier: 0 },
      { host: 'z', port: 1, tier: 1 },
      { host: 'a', port: 1, tier: 2 },
    ];
    expect(targets(...all)).toEqual(expected);
    expect(targets(...all.reverse())).toEqual(expected);
  });

  it('leave out what says "not here", port 0 and what is no name; the first tier of a target counts', () => {
    const odd = [
      srv(NAME, '.', 1),
      srv(NAME, 'a', 0),
      srv(NAME, 'a b', 1),
      srv(NAME, '-', 1),
      srv(NAME, '1.2.3.4', 1),
    ];
    expect(targets(...odd)).toEqual([]);
    expect(targets(srv(NAME, 'a', 1, 9), srv(NAME, 'a', 1, 3))).toEqual([{ host: 'a', port: 1, tier: 0 }]);
  });

  it('are at most 256 targets, the same ones in whatever order they come', () => {
    const many = Array.from({ length: 500 }, (_, i) => srv(NAME, `h${i}`, 1));
    const kept = targets(...many);
    expect(kept).toHaveLength(256);
    expect(targets(...many.reverse())).toEqual(kept);
  });
});

it.each([
  ['10.0.0.1', 'http://10.0.0.1:11435'],
  ['127.0.0.1', 'http://127.0.0.1:11435'],
  ['fd00::2', 'http://[fd00::2]:11435'],
  ['::1', 'http://[::1]:11435'],
  ['0.0.0.0', undefined],
  ['0.1.2.3', undefined],
  ['224.0.0.1', undefined],
  ['255.255.255.255', undefined],
  ['::', undefined],
  ['::ffff:10.0.0.1', undefined],
  ['::ffff:0:0', undefined],
  ['fe80::1', undefined],
  ['ff02::1', undefined],
  ['nonsense', undefined],
])('the address %s leads to %s', (address, url) => {
  expect(urlOf(address, 11435)).toBe(url);
});
