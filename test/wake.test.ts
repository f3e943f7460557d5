import { statSync, writeFileSync } from 'node:fs';
import type { NetworkInterfaceInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { systemClock } from '../src/clock.ts';
import { cardsMet } from '../src/daemon/sleeping-servers.ts';
import { magicPacket, readWakeCards, type WakeCard, wakeCards } from '../src/discovery/wake.ts';
import { WakeBook } from '../src/fleet/wake-book.ts';
import { WakeFile } from '../src/fleet/wake-file.ts';
import {
  type KnownServer,
  MAX_CALLS,
  WAKING_MS,
  type WakeSituation,
  whomToWake,
} from '../src/fleet/wake-plan.ts';
import { temporaryDirectory } from './_daemon.ts';

const MAC = '00:11:22:aa:bb:cc';
const CARD: WakeCard = { mac: MAC, address: '192.168.1.5' };

describe('the packet', () => {
  it('is six bytes FF and the MAC sixteen times', () => {
    const bytes = magicPacket(MAC);
    expect(bytes).toHaveLength(102);
    expect(bytes.subarray(0, 6).toString('hex')).toBe('ffffffffffff');
    expect(bytes.subarray(6).toString('hex')).toBe('001122aabbcc'.repeat(16));
    expect(magicPacket(MAC.toUpperCase())).toEqual(bytes);
  });

  it.each([
    '',
    '00:00:00:00:00:00',
    'ff:ff:ff:ff:ff:ff',
    '01:00:5e:00:00:01',
    '00:11:22:aa:bb',
    '00-11-22-aa-bb-cc',
  ])('is not made for "%s"', (mac) => {
    expect(() => magicPacket(mac)).toThrow(RangeError);
    expect(readWakeCards([{ mac, address: '192.168.1.5' }])).toEqual([]);
  });
});

describe('the cards of a machine', () => {
  const info = (address: string, mac: string, more: Partial<NetworkInterfaceInfo> = {}) =>
    ({
      address,
      mac,
      netmask: '255.255.255.0',
      family: 'IPv4',
      internal: false,
      cidr: null,
      ...more,
    }) as NetworkInterfaceInfo;
  const interfaces = {
    lo: [info('127.0.0.1', '00:00:00:00:00:00', { internal: true })],
    eth0: [info('192.168.1.5', MAC), info('fe80::1', MAC, { family: 'IPv6', scopeid: 2 } as never)],
    tun0: [info('10.8.0.2', '00:00:00:00:00:00')],
    docker0: [info('172.17.0.1', '02:42:00:00:00:01')],
  };
  const docker = { mac: '02:42:00:00:00:01', address: '172.17.0.1' };

  it.each([
    { only: [], host: undefined, cards: [CARD, docker] },
    { only: ['eth0'], host: undefined, cards: [CARD] },
    { only: ['lo'], host: undefined, cards: [] },
    { only: [], host: '192.168.1.5', cards: [CARD] },
    { only: [], host: '127.0.0.1', cards: [] },
  ])('are told for $only and $host', ({ only, host, cards }) => {
    expect(wakeCards(interfaces, only, host)).toEqual(cards);
  });

  it('are read from what a peer says as far as they make sense', () => {
    const wrong = [
      null,
      7,
      {},
      { mac: MAC },
      { mac: MAC, address: 'fe80::1' },
      { mac: 5, address: '1.2.3.4' },
    ];
    expect(readWakeCards([...wrong, { mac: MAC.toUpperCase(), address: '192.168.1.5', more: 1 }])).toEqual([
      CARD,
    ]);
    expect(readWakeCards(Array.from({ length: 1000 }, () => CARD))).toHaveLength(8);
    for (const none of [undefined, null, 'x', {}]) expect(readWakeCards(none)).toEqual([]);
  });

  it('are those by which it is met; by a name, those on a network of ours', () => {
    const near = (address: string) => address.startsWith('192.168.');
    expect(cardsMet([CARD, docker], new Set(['192.168.1.5']), () => true)).toEqual([CARD]);
    expect(cardsMet([CARD, docker], new Set(['gpu.lan', 'fe80::1%eth0']), near)).toEqual([CARD]);
    expect(cardsMet([docker], new Set(['gpu.lan']), near)).toEqual([]);
  });
});

const known = (deviceId: string, more: Partial<KnownServer> = {}): KnownServer => ({
  deviceId,
  name: deviceId,
  cards: [CARD],
  models: ['m:latest'],
  seenAt: 1000,
  calls: 0,
  ...more,
});
const there = (
  deviceId: string,
  models: readonly string[],
  state: 'reliable' | 'unreliable' = 'reliable',
) => ({
  deviceId,
  verdict:
    state === 'reliable'
      ? { state, sinceMs: 0 }
      : { state, sinceMs: 0, cause: 'dial' as const, reason: 'gone' },
  modelKeys: new Set(models),
});

describe('whom to wake', () => {
  const whom = (more: Partial<WakeSituation>) =>
    whomToWake({
      modelKey: 'm:latest',
      known: [],
      servers: [],
      isNear: () => true,
      calledAt: new Map(),
      now: 1_000_000,
      ...more,
    })?.deviceId;
  const both = [known('old'), known('new', { seenAt: 2000 })];
  const called = (msAgo: number) => new Map([['old', 1_000_000 - msAgo]]);

  test.each<[string, Partial<WakeSituation>, string | undefined]>([
    ['nobody where nobody is known', {}, undefined],
    ['the one that was there last', { known: both }, 'new'],
    ['the one that is waking, rather', { known: both, calledAt: called(WAKING_MS - 1) }, 'old'],
    ['not the one that has not woken', { known: both, calledAt: called(WAKING_MS) }, 'new'],
    [
      'the one called less in vain',
      { known: [known('old'), known('new', { seenAt: 2000, calls: 1 })] },
      'old',
    ],
    ['nobody called too often', { known: [known('old', { calls: MAX_CALLS })] }, undefined],
    [
      'who is waking, though called often',
      { known: [known('old', { calls: MAX_CALLS })], calledAt: called(5) },
      'old',
    ],
    ['nobody without the model', { known: [known('old', { models: ['n:latest'] })] }, undefined],
    ['nobody where it is not on our networks', { known: both, isNear: () => false }, undefined],
    ['nobody while another has it', { known: both, servers: [there('x', ['m:latest'])] }, undefined],
    ['one while another is there without it', { known: both, servers: [there('x', ['n:latest'])] }, 'new'],
    [
      'one while another that has it does not answer',
      { known: both, servers: [there('x', ['m:latest'], 'unreliable')] },
      'new',
    ],
    ['not who is there', { known: both, servers: [there('new', [])] }, 'old'],
    [
      'who is known still, and does not answer',
      { known: both, servers: [there('new', ['m:latest'], 'unreliable')] },
      'new',
    ],
  ])('%s', (_what, situation, expected) => {
    expect(whom(situation)).toBe(expected);
  });
});

describe('what is remembered', () => {
  const { calls: _, ...seen } = known('gpu');

  it('is news once, and calls count until it is there again', () => {
    const book = new WakeBook();
    expect(book.saw(seen)).toBe(true);
    expect(book.saw({ ...seen, seenAt: 2000 })).toBe(false);
    expect(book.saw({ ...seen, models: ['m:latest', 'n:latest'] })).toBe(true);
    book.called('gpu');
    expect(book.all()).toMatchObject([{ calls: 1 }]);
    expect(book.saw({ ...seen, models: ['n:latest', 'm:latest'] })).toBe(true);
    expect(book.all()).toMatchObject([{ calls: 0 }]);
  });

  it('has bounds whatever peers say', () => {
    const book = new WakeBook();
    const models = [...Array.from({ length: 5000 }, (_, i) => `m${i}`), 'x'.repeat(10_000)];
    for (let i = 0; i < 200; i += 1)
      book.saw({ ...seen, deviceId: `d${i}`, name: 'n'.repeat(10_000), models, seenAt: i });
    expect(book.all()).toHaveLength(64);
    // Those that come too late do not push out those that are there, until these have gone.
    const later = (days: number) => ({ ...seen, deviceId: 'late', seenAt: days * 24 * 3_600_000 });
    expect(book.saw(later(1))).toBe(false);
    expect(book.saw(later(3))).toBe(true);
    expect(book.all().map(({ deviceId }) => deviceId)).toEqual(expect.arrayContaining(['d1', 'late']));
    expect(book.all()).toHaveLength(64);
    expect(JSON.stringify(book).length).toBeLessThan(8 * 1024 * 1024);
  });

  it('outlives a restart in a file for this user only; what makes no sense in it is left out', async () => {
    using folder = temporaryDirectory('wake');
    const troubles: string[] = [];
    const open = (book: WakeBook) =>
      new WakeFile({
        dir: folder.path,
        book,
        clock: systemClock,
        onTrouble: (what, _file, reason) => troubles.push(`${what} ${reason}`),
      });
    const read = async () => {
      const book = new WakeBook();
      await open(book).read();
      return book.all();
    };
    const path = join(folder.path, 'wake.json');
    expect(await read()).toEqual([]);
    const now = Date.now();
    const book = new WakeBook();
    book.saw({ ...seen, seenAt: now });
    {
      await using file = open(book);
      file.write();
    }
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await read()).toEqual([known('gpu', { seenAt: now })]);

    const good = known('gpu', { seenAt: now });
    const bad = [{ ...good, deviceId: 'a\nb' }, { ...good, cards: [] }, { ...good, seenAt: 5 }, null, 'x'];
    writeFileSync(path, JSON.stringify({ version: 1, servers: [...bad, good] }));
    expect(await read()).toEqual([good]);
    expect(troubles).toEqual([]);
    for (const broken of ['', 'null', '{"version":2,"servers":[]}', '[']) {
      writeFileSync(path, broken);
      expect(await read()).toEqual([]);
    }
    expect(troubles).toHaveLength(4);
  });
});
