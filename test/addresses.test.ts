import { describe, expect, test } from 'vitest';
import { bestAddress, inOrder, type KnownAddress, placeOf } from '../src/fleet/addresses.ts';

const A = 'http://10.0.0.1:1';
const B = 'http://10.0.0.2:1';
const SIX = 'http://[fd00::1]:1';

const at = (url: string, rttMs: number | undefined, more: Partial<KnownAddress> = {}): KnownAddress => ({
  url,
  rttMs,
  place: 'link',
  failed: false,
  ...more,
});

describe('the address to use', () => {
  test.each<[string, string | undefined, readonly KnownAddress[], string | undefined]>([
    ['is none of none', undefined, [], undefined],
    ['is the only one, whatever is known of it', undefined, [at(A, undefined, { failed: true })], A],
    ['stays while it has not been measured', A, [at(A, undefined), at(B, 1)], A],
    ['changes when it has failed and another answers', A, [at(A, undefined, { failed: true }), at(B, 90)], B],
    [
      'stays when it has failed and none answers',
      A,
      [at(A, undefined, { failed: true }), at(B, undefined)],
      A,
    ],
    ['changes when it has failed lately and is back', A, [at(A, 1, { failed: true }), at(B, 90)], B],
    ['does not go where it failed lately', A, [at(A, 90), at(B, 1, { failed: true })], A],
    ['is the faster of two that failed', A, [at(A, 90, { failed: true }), at(B, 1, { failed: true })], B],
    ['changes for one that is clearly faster', A, [at(A, 10), at(B, 7.9)], B],
    ['stays for less than a fifth', A, [at(A, 10), at(B, 8.1)], A],
    ['stays for less than a millisecond', A, [at(A, 1.5), at(B, 0.6)], A],
    ['is the nearer one, though it be slower', A, [at(A, 1), at(B, 9, { place: 'loopback' })], B],
    ['is not the farther one, though it be faster', A, [at(A, 9), at(B, 1, { place: 'beyond' })], A],
    ['is IPv6 of equal ones', A, [at(A, 10), at(SIX, 10.9)], SIX],
    ['is not IPv6 where that is slower', A, [at(A, 10), at(SIX, 11.1)], A],
    ['leaves IPv6 only for one that is clearly faster', SIX, [at(A, 10), at(SIX, 12.4)], SIX],
    ['leaves IPv6 for that', SIX, [at(A, 10), at(SIX, 12.6)], A],
    [
      'is the one by https, though it be slower',
      A,
      [at(A, 1), at('https://g', 9, { place: 'beyond' })],
      'https://g',
    ],
    [
      'stays by https when that fails',
      'https://g',
      [at(A, 1), at('https://g', undefined, { failed: true })],
      'https://g',
    ],
    ['is the best where the last one is gone', 'http://gone:1', [at(A, 10), at(B, 5)], B],
  ])('%s', (_, current, known, best) => {
    expect(bestAddress(current, known)).toBe(best);
    expect(bestAddress(current, known.toReversed())).toBe(best);
  });

  test('does not swing while round trips do, by a tenth', () => {
    let current: string | undefined = A;
    let moves = 0;
    for (let i = 0; i < 1000; i += 1) {
      const wave = (phase: number) => 10 + Math.sin(i * 0.7 + phase) * 1;
      const best: string | undefined = bestAddress(current, [
        at(A, wave(0)),
        at(B, wave(2)),
        at(SIX, wave(4)),
      ]);
      if (best !== current) moves += 1;
      current = best;
    }
    expect([current, moves]).toEqual([SIX, 1]);
  });
});

test('those that do not answer come last, before them those that failed lately', () => {
  const known = [
    at('http://a', undefined),
    at('http://b', 1, { failed: true }),
    at('http://c', 9),
    at('http://d', 2),
  ];
  expect(inOrder(known).map(({ url }) => url)).toEqual(['http://d', 'http://c', 'http://b', 'http://a']);
});

const INTERFACES = {
  eth0: [
    {
      address: '10.0.0.9',
      netmask: '255.255.255.0',
      family: 'IPv4' as const,
      mac: '',
      internal: false,
      cidr: '10.0.0.9/24',
    },
  ],
};

test.each([
  ['http://localhost:1', 'loopback'],
  ['http://127.0.0.5:1', 'loopback'],
  ['http://[::1]:1', 'loopback'],
  ['http://10.0.0.7:1', 'link'],
  ['http://10.0.1.7:1', 'beyond'],
  ['http://127.example:1', 'beyond'],
  ['https://gpu.example/ollama', 'beyond'],
])('%s is %s', (url, place) => {
  expect(placeOf(url, INTERFACES)).toBe(place);
});
