import { expect, test } from 'vitest';
import { Audience } from '../src/discovery/audience.ts';
import type { Datagram } from '../src/discovery/wire.ts';
import { ManualClock } from './_beacon.ts';

const ETH = {
  interface: 'eth0',
  address: '10.0.0.1',
  prefix: 8,
  broadcast: '10.255.255.255',
  internal: false,
};
const LO = { interface: 'lo', address: '127.0.0.1', prefix: 8, broadcast: '127.255.255.255', internal: true };
const BARE: Datagram = { kind: 'bare' };
const QUERY: Datagram = { kind: 'query', nonce: '0102030405060708' };
const at = (address: string, port = 40_000) => ({ address, port });

function setUp(isDefaultPort = true) {
  const clock = new ManualClock();
  return { clock, audience: new Audience({ clock, isDefaultPort }) };
}

test('a socket gets one bare and one extended answer a second', () => {
  const { clock, audience } = setUp();
  const ask = () => [BARE, QUERY].map((datagram) => audience.answer(datagram, at('10.0.0.7'), ETH));
  expect(ask()).toEqual(['bare', 'extended']);
  clock.advance(999);
  expect(ask()).toEqual(['nothing', 'nothing']);
  clock.advance(1);
  expect(ask()).toEqual(['bare', 'extended']);
});

test('two clients on one machine are both answered, a thousand sockets of one are not', () => {
  const { audience } = setUp();
  const answers = Array.from({ length: 1000 }, (_, i) =>
    audience.answer(BARE, at('10.0.0.7', 2000 + i), ETH),
  );
  expect(answers.filter((answer) => answer === 'bare')).toHaveLength(10);
  expect(audience.answer(BARE, at('10.0.0.8'), ETH)).toBe('bare');
});

test('loopback is answered fifty times a second', () => {
  const { audience } = setUp();
  const answers = Array.from({ length: 1000 }, () => audience.answer(QUERY, at('127.0.0.1'), LO));
  expect(answers.filter((answer) => answer === 'extended')).toHaveLength(50);
});

test('on another port a bare query is never replied to; a new asker brings an announcement, at most one a second', () => {
  const { clock, audience } = setUp(false);
  expect(audience.answer(BARE, at('10.0.0.7'), ETH)).toBe('announce');
  expect(audience.answer(BARE, at('10.0.0.8'), ETH)).toBe('nothing');
  clock.advance(5000);
  expect(audience.answer(BARE, at('10.0.0.7'), ETH)).toBe('nothing');
  clock.advance(15_000);
  expect(audience.answer(BARE, at('10.0.0.7'), ETH)).toBe('announce');
  expect(audience.answer(QUERY, at('10.0.0.7'), ETH)).toBe('extended');
});

test('what servers say is not answered', () => {
  const { audience } = setUp();
  const speaker = { httpPort: 11435, deviceId: 'a'.repeat(64), name: '' };
  expect(audience.answer({ kind: 'goodbye', speaker }, at('10.0.0.7'), ETH)).toBe('nothing');
  expect(audience.answer({ kind: 'reply', nonce: '00', speaker }, at('10.0.0.7'), ETH)).toBe('nothing');
});

test('a goodbye is for those who asked with the suffix within 15 s, once', () => {
  const { clock, audience } = setUp();
  audience.answer(QUERY, at('10.0.0.7'), ETH);
  clock.advance(15_000);
  audience.answer(BARE, at('10.0.0.8'), ETH);
  audience.answer(QUERY, at('10.0.0.9'), ETH);
  expect(audience.dismiss()).toEqual([{ remote: at('10.0.0.9'), link: ETH }]);
  expect(audience.dismiss()).toEqual([]);
});

test('a flood from a hundred thousand sockets is remembered as the last 1024', () => {
  const { audience } = setUp();
  for (let i = 0; i < 100_000; i++)
    audience.answer(QUERY, at(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), ETH);
  expect(audience.dismiss()).toHaveLength(1024);
});
