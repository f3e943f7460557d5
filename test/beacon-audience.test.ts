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
const NONCE = '0102030405060708';
const BARE: Datagram = { kind: 'bare' };
const QUERY: Datagram = { kind: 'query', nonce: NONCE };
const at = (address: string, port = 40_000) => ({ address, port });

function setUp(isDefaultPort = true) {
  const clock = new ManualClock();
  const sent: { readonly at: number; readonly to: string; readonly kind: string }[] = [];
  const audience = new Audience({
    clock,
    isDefaultPort,
    send: ({ kind }, { address, port }) => sent.push({ at: clock.now(), to: `${address}:${port}`, kind }),
  });
  return { clock, audience, sent, said: () => sent.splice(0).map(({ to, kind }) => `${kind} ${to}`) };
}

test('who asks for all gets that and not the four bytes besides, again after a second', () => {
  const { clock, audience, said } = setUp();
  const ask = () => {
    for (const datagram of [QUERY, BARE, QUERY, BARE]) audience.heard(datagram, at('10.0.0.7'), ETH);
  };
  ask();
  expect(said()).toEqual(['extended 10.0.0.7:40000']);
  clock.advance(999);
  ask();
  expect(said()).toEqual([]);
  clock.advance(1);
  ask();
  expect(said()).toEqual(['extended 10.0.0.7:40000']);
});

test('an older client, which asks for all after the four bytes, gets it a second later', () => {
  const { clock, audience, said } = setUp();
  for (const datagram of [BARE, BARE, QUERY, BARE]) audience.heard(datagram, at('10.0.0.7'), ETH);
  expect(said()).toEqual(['bare 10.0.0.7:40000']);
  clock.advance(999);
  expect(said()).toEqual([]);
  clock.advance(100);
  expect(said()).toEqual(['extended 10.0.0.7:40000']);
  clock.advance(10_000);
  expect(said()).toEqual([]);
});

test('of two clients on one machine the second is answered after a second, and other machines at once', () => {
  const { clock, audience, said } = setUp();
  audience.heard(QUERY, at('10.0.0.7', 1), ETH);
  audience.heard(QUERY, at('10.0.0.7', 2), ETH);
  audience.heard(BARE, at('10.0.0.7', 2), ETH);
  audience.heard(BARE, at('10.0.0.8', 3), ETH);
  expect(said()).toEqual(['extended 10.0.0.7:1', 'bare 10.0.0.8:3']);
  clock.advance(1100);
  expect(said()).toEqual(['extended 10.0.0.7:2']);
});

test('whatever is forged, no address gets two answers within a second, from any number of its ports', () => {
  const { clock, audience, sent } = setUp();
  for (let ms = 0; ms < 10_000; ms += 1) {
    const address = `10.0.0.${7 + (ms % 3)}`;
    audience.heard(ms % 2 === 0 ? BARE : QUERY, at(address, 2000 + (ms % 977)), ETH);
    clock.advance(1);
  }
  for (const address of ['10.0.0.7', '10.0.0.8', '10.0.0.9']) {
    const times = sent.filter(({ to }) => to.startsWith(`${address}:`)).map((one) => one.at);
    expect(times.length).toBeGreaterThanOrEqual(9);
    for (const [i, time] of times.slice(1).entries())
      expect(time - (times[i] as number)).toBeGreaterThanOrEqual(1000);
  }
});

test('a flood from a hundred thousand addresses wins nobody a second answer within the second', () => {
  const { clock, audience, sent } = setUp();
  audience.heard(QUERY, at('10.255.0.7'), ETH);
  for (let i = 0; i < 100_000; i++)
    audience.heard(QUERY, at(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), ETH);
  audience.heard(QUERY, at('10.255.0.7'), ETH);
  expect(sent.filter(({ to }) => to.startsWith('10.255.0.7:'))).toHaveLength(1);
  expect(sent).toHaveLength(1024);
  // And it is over when it is over.
  clock.advance(1000);
  audience.heard(QUERY, at('10.255.0.7'), ETH);
  expect(sent).toHaveLength(1025);
});

test('loopback, which many share, is answered fifty times a second', () => {
  const { audience, sent } = setUp();
  for (let i = 0; i < 1000; i += 1) audience.heard(QUERY, at('127.0.0.1'), LO);
  expect(sent).toHaveLength(50);
});

test('on another port a bare query is never replied to', () => {
  const { audience, said } = setUp(false);
  audience.heard(BARE, at('10.0.0.7'), ETH);
  audience.heard(BARE, at('127.0.0.1'), LO);
  expect(said()).toEqual([]);
  audience.heard(QUERY, at('10.0.0.7'), ETH);
  expect(said()).toEqual(['extended 10.0.0.7:40000']);
});

test('what servers say is not answered', () => {
  const { audience, said } = setUp();
  const speaker = { httpPort: 11435, deviceId: 'a'.repeat(64), name: '' };
  for (const kind of ['goodbye', 'announcement'] as const)
    audience.heard({ kind, speaker }, at('10.0.0.7'), ETH);
  audience.heard({ kind: 'reply', nonce: NONCE, speaker }, at('10.0.0.7'), ETH);
  expect(said()).toEqual([]);
});

test('who waits for an answer gets none once the server is leaving', () => {
  const { clock, audience, said } = setUp();
  audience.heard(BARE, at('10.0.0.7', 1), ETH);
  audience.heard(BARE, at('10.0.0.7', 2), ETH);
  said();
  audience.dismiss();
  clock.advance(5000);
  expect([said(), clock.pending]).toEqual([[], 0]);
});
