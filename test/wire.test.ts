import { expect, test } from 'vitest';
import {
  cleanName,
  decode,
  encodeAnnouncement,
  encodeBare,
  encodeGoodbye,
  encodeQuery,
  encodeReply,
} from '../src/discovery/wire.ts';

const NONCE = '0102030405060708';
const SPEAKER = { httpPort: 11435, deviceId: 'ab'.repeat(32), name: 'gpü 1' };
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('the bare datagram is the four bytes that the first ollana sends', () => {
  expect(encodeBare()).toEqual(hex('4C 41 4E 41'));
  expect(decode(hex('4C414E41'))).toEqual({ kind: 'bare' });
});

test('a query is magic, version, kind and nonce, padded with zeros to 128 bytes', () => {
  const query = encodeQuery(NONCE);
  expect(query).toEqual(Buffer.concat([hex('4C414E41 01 01 0102030405060708'), Buffer.alloc(114)]));
  expect(decode(query)).toEqual({ kind: 'query', nonce: NONCE });
});

test('a reply has port, device and name where the table says', () => {
  const reply = encodeReply(NONCE, SPEAKER);
  expect(reply).toEqual(
    Buffer.concat([
      hex('4C414E41 01 02 0102030405060708 2CAB'),
      hex('ab'.repeat(32)),
      hex('06'),
      Buffer.from('gpü 1'),
    ]),
  );
  expect(decode(reply)).toEqual({ kind: 'reply', nonce: NONCE, speaker: SPEAKER });
});

test('a goodbye is a reply of another kind without a nonce', () => {
  const goodbye = encodeGoodbye(SPEAKER);
  expect(goodbye.subarray(4, 14)).toEqual(hex('01 03 0000000000000000'));
  expect(decode(goodbye)).toEqual({ kind: 'goodbye', speaker: SPEAKER });
});

test('no reply is longer than the query, whatever the name', () => {
  for (const name of ['', 'x'.repeat(500), '漢'.repeat(100), '😀'.repeat(100)]) {
    const reply = encodeReply(NONCE, { ...SPEAKER, name });
    expect(reply.length).toBeLessThanOrEqual(112);
    expect(decode(reply)).toMatchObject({ kind: 'reply', speaker: { httpPort: 11435 } });
  }
});

test('a long name is cut between characters', () => {
  expect(cleanName('漢'.repeat(100))).toBe('漢'.repeat(21));
  expect(cleanName(`a${'😀'.repeat(100)}`)).toBe(`a${'😀'.repeat(15)}`);
});

test('names lose what steers a terminal or hides text', () => {
  const name = '\u001b[31mred\u0007\r\n\u202egnp\u200b\u2028\u0085 ';
  expect(cleanName(name)).toBe('[31mredgnp');
  const forged = encodeReply(NONCE, { ...SPEAKER, name: 'abcdef' });
  forged.set(hex('1B 0A 00 E2 80 AE'), 49);
  expect(decode(forged)).toMatchObject({ speaker: { name: '' } });
});

test.each([
  ['nothing', ''],
  ['three bytes of the magic', '4C414E'],
  ['another magic', '4C414E42'],
  ['the magic later on', '004C414E41'],
])('%s is no datagram of ours', (_name, bytes) => {
  expect(decode(hex(bytes))).toBeUndefined();
});

const spoil = (bytes: Buffer, at: number, ...values: number[]) => {
  bytes.set(values, at);
  return bytes;
};
test.each([
  ['a fifth byte', hex('4C414E41 00')],
  ['another version', spoil(encodeQuery(NONCE), 4, 2)],
  ['an unknown kind', spoil(encodeQuery(NONCE), 5, 9)],
  ['a query shorter than a reply', encodeQuery(NONCE).subarray(0, 127)],
  ['a reply with port 0', spoil(encodeReply(NONCE, SPEAKER), 14, 0, 0)],
  ['a reply whose name is longer than it', spoil(encodeReply(NONCE, SPEAKER), 48, 7)],
  [
    'a reply with a name over 63 bytes',
    spoil(Buffer.concat([encodeReply(NONCE, SPEAKER), Buffer.alloc(300)]), 48, 64),
  ],
  ['a reply without its name', encodeReply(NONCE, SPEAKER).subarray(0, 49)],
  ['the magic and text', Buffer.from('LANAhello')],
])('%s counts as the bare four bytes, as old peers take it', (_name, bytes) => {
  expect(decode(bytes)).toEqual({ kind: 'bare' });
});

test('bytes after a reply are left to later versions', () => {
  expect(decode(Buffer.concat([encodeReply(NONCE, SPEAKER), Buffer.from('more')]))).toMatchObject({
    kind: 'reply',
    speaker: SPEAKER,
  });
});

test.each([
  ['a nonce that is too short', () => encodeQuery('0102')],
  ['a nonce that is not hex', () => encodeQuery('zz02030405060708')],
  ['an upper-case device id', () => encodeReply(NONCE, { ...SPEAKER, deviceId: 'AB'.repeat(32) })],
  ['port 0', () => encodeGoodbye({ ...SPEAKER, httpPort: 0 })],
  ['port 65536', () => encodeGoodbye({ ...SPEAKER, httpPort: 65536 })],
])('encoding refuses %s', (_name, encode) => {
  expect(encode).toThrow(RangeError);
});

test('every prefix and every flipped bit of a valid datagram decodes to something or nothing', () => {
  for (const valid of [encodeQuery(NONCE), encodeReply(NONCE, SPEAKER), encodeGoodbye(SPEAKER)]) {
    for (let length = 0; length < valid.length; length++) {
      const kind = decode(valid.subarray(0, length))?.kind;
      expect(kind).toBe(length < 4 ? undefined : 'bare');
    }
    for (let bit = 0; bit < valid.length * 8; bit++) {
      const flipped = Buffer.from(valid);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const datagram = decode(flipped);
      expect(datagram === undefined).toBe(bit < 32);
      if (datagram && 'speaker' in datagram) expect(datagram.speaker.deviceId).toMatch(/^[0-9a-f]{64}$/);
    }
  }
});

test('ten thousand random datagrams never throw, and what is decoded can be encoded again', () => {
  let seed = 42;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const kinds = new Map<string, number>();
  for (let round = 0; round < 10_000; round++) {
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => random() * 256));
    // Half of them get past the first checks, so that the fields are what is tried.
    if (random() < 0.5 && bytes.length >= 6) bytes.set([0x4c, 0x41, 0x4e, 0x41, 1, Math.floor(random() * 6)]);
    if (random() < 0.5 && bytes.length > 48) bytes[48] = random() * 70;
    const datagram = decode(bytes);
    kinds.set(String(datagram?.kind), (kinds.get(String(datagram?.kind)) ?? 0) + 1);
    if (datagram?.kind === 'reply')
      expect(decode(encodeReply(datagram.nonce, datagram.speaker))).toEqual(datagram);
    if (datagram?.kind === 'announcement')
      expect(decode(encodeAnnouncement(datagram.speaker))).toEqual(datagram);
  }
  const expected = ['announcement', 'bare', 'goodbye', 'query', 'reply', 'undefined'];
  expect([...kinds.keys()].sort()).toEqual(expected);
});
