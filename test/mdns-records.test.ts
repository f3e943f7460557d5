import { describe, expect, test } from 'vitest';
import { factsOf, isAskable, MAX_RECORDS } from '../src/discovery/mdns-records.ts';
import { decode, recordsOf, responseOf } from './_mdns.ts';

const ID = 'a'.repeat(64);
const INSTANCE = { instance: 'gpu1._ollana._tcp.local', service: 'ollana', label: 'gpu1' };
const read = (...records: readonly unknown[]) =>
  factsOf({ opcode: 'QUERY', rcode: 'NOERROR', answers: records });
const NAME = 'GPU1._ollana._tcp.local';
const record = (fields: object) => ({ name: NAME, class: 'IN', ttl: 120, ...fields });

test('a response is read whole: pointer, place, text and both families of addresses', () => {
  const bytes = responseOf(recordsOf({ addresses: ['10.0.0.7', 'fd00:0:0::7'] }));
  const host = 'ollana-aa.local';
  expect(factsOf(decode(bytes))).toEqual([
    { type: 'pointer', ttlMs: 120_000, ...INSTANCE },
    { type: 'place', ttlMs: 120_000, ...INSTANCE, port: 11500, host },
    { type: 'text', ttlMs: 120_000, ...INSTANCE, deviceId: ID, name: 'GPU 1' },
    { type: 'address', ttlMs: 120_000, host, address: '10.0.0.7' },
    { type: 'address', ttlMs: 120_000, host, address: 'fd00::7' },
  ]);
});

test('names are compared without regard to case, and shown as spelled but clean', () => {
  const [fact] = read(
    record({
      name: 'GP\u001b[31mU\u202e 1._OLLANA._TCP.local',
      type: 'SRV',
      data: { port: 1, target: 'A.Local' },
    }),
  );
  expect(fact).toMatchObject({ label: 'GP[31mU 1', service: 'ollana', host: 'a.local' });
});

describe('what is not as it should be is left out', () => {
  test.each([
    ['nothing', undefined],
    ['a text', 'x'],
    ['no class', { type: 'A', name: 'a.local', ttl: 120, data: '10.0.0.7' }],
    ['no name', record({ type: 'A', name: 7, data: '10.0.0.7' })],
    ['no time', record({ type: 'A', ttl: '120', data: '10.0.0.7' })],
    ['a time before now', record({ type: 'A', ttl: -1, data: '10.0.0.7' })],
    ['no number', record({ type: 'A', ttl: Number.NaN, data: '10.0.0.7' })],
    ['port 0', record({ type: 'SRV', data: { port: 0, target: 'a.local' } })],
    ['port 65536', record({ type: 'SRV', data: { port: 65536, target: 'a.local' } })],
    ['half a port', record({ type: 'SRV', data: { port: 1.5, target: 'a.local' } })],
    ['no target', record({ type: 'SRV', data: { port: 1 } })],
    ['the target that is none', record({ type: 'SRV', data: { port: 1, target: '.' } })],
    ['no place', record({ type: 'SRV', data: null })],
    ['no address', record({ type: 'A', data: 'gpu1' })],
    ['the wrong family', record({ type: 'A', data: 'fd00::1' })],
    ['the wrong family', record({ type: 'AAAA', data: '10.0.0.7' })],
    ['a pointer to a number', record({ type: 'PTR', name: '_ollana._tcp.local', data: 5 })],
    ['a pointer to the other service', record({ type: 'PTR', name: '_ollama._tcp.local', data: NAME })],
    ['a pointer of a third service', record({ type: 'PTR', name: '_http._tcp.local', data: NAME })],
    [
      'another service',
      record({ name: 'x._http._tcp.local', type: 'SRV', data: { port: 1, target: 'a.local' } }),
    ],
    [
      'the service itself',
      record({ name: '_ollana._tcp.local', type: 'SRV', data: { port: 1, target: 'a.local' } }),
    ],
    ['another type', record({ type: 'NSEC', data: {} })],
  ])('%s', (_, bad) => {
    expect(read(bad)).toEqual([]);
  });

  test.each([
    [undefined],
    [null],
    ['x'],
    [{}],
    [{ opcode: 'QUERY', rcode: 'NOERROR', answers: 'x', additionals: 7 }],
  ])('no response: %j', (response) => {
    expect(factsOf(response)).toEqual([]);
  });

  test('an answer that says it failed', () => {
    expect(factsOf({ ...decode(responseOf(recordsOf())), rcode: 'NXDOMAIN' })).toEqual([]);
  });
});

describe('text', () => {
  const text = (data: unknown, name = NAME) => read(record({ type: 'TXT', name, data }))[0] ?? {};
  const pairs = (...list: readonly string[]) => text(list.map((each) => Buffer.from(each)));

  test('an id counts only as 64 lower-case hex digits, and only for ollana', () => {
    expect(pairs(`id=${ID}`)).toHaveProperty('deviceId', ID);
    for (const id of ['A'.repeat(64), 'a'.repeat(63), 'a'.repeat(65), `${ID}\n`, '']) {
      expect(pairs(`id=${id}`)).not.toHaveProperty('deviceId');
    }
    expect(text([Buffer.from(`id=${ID}`)], 'x._ollama._tcp.local')).not.toHaveProperty('deviceId');
  });

  test('the first of a key counts, its case does not', () => {
    expect(pairs(`ID=${ID}`, `id=${'b'.repeat(64)}`)).toHaveProperty('deviceId', ID);
  });

  test('a name is cleaned and cut', () => {
    expect(pairs('name= g\u0007pu\u202e1 ')).toHaveProperty('name', 'gpu1');
    expect(pairs(`name=${'x'.repeat(200)}`)).toHaveProperty('name', 'x'.repeat(63));
    expect(pairs('name=\u0000')).not.toHaveProperty('name');
  });

  test.each([
    [undefined],
    [null],
    [7],
    ['id'],
    [['id=1', 5, null]],
    [Buffer.from('id')],
    [Buffer.alloc(70_000, 'a=')],
  ])('that is none is an empty one: %j', (data) => {
    expect(text(data)).toEqual({ type: 'text', ttlMs: 120_000, ...INSTANCE, label: 'GPU1' });
  });
});

test('of thousands of records the first ones are read', () => {
  const many = Array.from({ length: 5000 }, (_, i) =>
    record({ type: 'A', name: `h${i}.local`, data: '10.0.0.7' }),
  );
  expect(read(...many)).toHaveLength(MAX_RECORDS);
});

test('a name that no packet could carry is never asked for', () => {
  for (const name of ['gpu1._ollana._tcp.local', 'ä.local', `${'x'.repeat(63)}.local`])
    expect(isAskable(name)).toBe(true);
  for (const name of [
    '',
    '.',
    'a..b',
    `${'x'.repeat(64)}.local`,
    `${'\ufffd'.repeat(22)}.local`,
    'a.'.repeat(130),
    `${'x'.repeat(40)}\n.${'y'.repeat(40)}.local`,
  ])
    expect(isAskable(name)).toBe(false);
});
