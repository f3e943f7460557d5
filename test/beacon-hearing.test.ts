import { expect, test } from 'vitest';
import { Hearing } from '../src/discovery/hearing.ts';
import { deviceId, ManualClock, Sightings } from './_beacon.ts';

const NONCE = '0102030405060708';
const speaker = (httpPort: number, digit = 'a', name = 'gpu1') => ({
  httpPort,
  deviceId: deviceId(digit),
  name,
});
const REPLY = { as: 'reply', ours: false } as const;
const ANNOUNCEMENT = { as: 'announcement', ours: false } as const;

function setUp(ownDeviceId?: string) {
  const clock = new ManualClock();
  const sightings = new Sightings();
  const unexplained: string[] = [];
  const hearing = new Hearing({
    clock,
    httpPort: 11435,
    ownDeviceId,
    onSighting: sightings.add,
    onUnexplained: (address) => unexplained.push(address),
  });
  return { clock, sightings, unexplained, hearing };
}

test.each([
  ['reply', REPLY, []],
  // It may be an older server on another port, so everybody is asked for more in the next round.
  ['announcement', ANNOUNCEMENT, ['10.0.0.7']],
])('a bare %s is a sighting on the default port at once', (_, how, asked) => {
  const { hearing, sightings, unexplained } = setUp();
  hearing.bare('10.0.0.7', how);
  expect(sightings.all).toMatchObject([{ source: 'udp', url: 'http://10.0.0.7:11435', leaseMs: 15_000 }]);
  expect(unexplained).toEqual(asked);
});

test('an announcement says port, device and name at once', () => {
  const { hearing, sightings } = setUp();
  hearing.announcement('10.0.0.7', speaker(11500));
  expect(sightings.all).toMatchObject([
    { url: 'http://10.0.0.7:11500', deviceId: deviceId('a'), name: 'gpu1', leaseMs: 15_000 },
  ]);
});

test('a name once told is kept when it is left out in the rhythm', () => {
  const { hearing, sightings } = setUp();
  hearing.announcement('10.0.0.7', speaker(11500));
  hearing.announcement('10.0.0.7', speaker(11500, 'a', ''));
  hearing.announcement('10.0.0.8', speaker(11500, 'b', ''));
  expect(sightings.all.map(({ name }) => name)).toEqual(['gpu1', 'gpu1', undefined]);
});

test('four bytes from a server that has named its port mean that port, for as long as they come', () => {
  const { clock, hearing, sightings, unexplained } = setUp();
  hearing.announcement('10.0.0.7', speaker(11500));
  for (let round = 0; round < 10; round += 1) {
    clock.advance(5000);
    hearing.bare('10.0.0.7', ANNOUNCEMENT);
  }
  expect(sightings.urls).toEqual(['http://10.0.0.7:11500']);
  expect(sightings.all).toHaveLength(11);
  expect(unexplained).toEqual([]);
});

test('a bare reply beside a server on another port is one more server, on the default one', () => {
  const { hearing, sightings } = setUp();
  hearing.announcement('10.0.0.7', speaker(11500));
  hearing.bare('10.0.0.7', REPLY);
  expect(sightings.urls).toEqual(['http://10.0.0.7:11435', 'http://10.0.0.7:11500']);
});

test('a reply counts only with a nonce of ours, and not too late', () => {
  const { clock, hearing, sightings } = setUp();
  hearing.asked(NONCE);
  hearing.reply('10.0.0.7', '0000000000000000', speaker(11500));
  clock.advance(4000);
  hearing.reply('10.0.0.7', NONCE, speaker(11500));
  expect(sightings.all).toEqual([]);
});

test('everybody may answer one question', () => {
  const { hearing, sightings } = setUp();
  hearing.asked(NONCE);
  hearing.reply('127.0.0.1', NONCE, speaker(11435, 'a'));
  hearing.reply('127.0.0.1', NONCE, speaker(11500, 'b'));
  hearing.reply('10.0.0.7', NONCE, speaker(11435, 'c'));
  expect(sightings.urls).toEqual([
    'http://10.0.0.7:11435',
    'http://127.0.0.1:11435',
    'http://127.0.0.1:11500',
  ]);
});

test('our own device is not a sighting, also when only its own word can tell', () => {
  const { clock, hearing, sightings, unexplained } = setUp(deviceId('a'));
  hearing.bare('10.0.0.1', { as: 'reply', ours: true });
  hearing.announcement('10.0.0.1', speaker(11435, 'a'));
  for (let round = 0; round < 10; round += 1) {
    clock.advance(5000);
    hearing.bare('10.0.0.1', { as: 'announcement', ours: true });
  }
  expect([sightings.all, unexplained]).toEqual([[], []]);
});

test('what answers at an address of ours and does not say that it is us counts after 300 ms', () => {
  const { clock, hearing, sightings } = setUp(deviceId('a'));
  hearing.bare('10.0.0.1', { as: 'reply', ours: true });
  hearing.bare('10.0.0.1', { as: 'announcement', ours: true });
  clock.advance(299);
  expect(sightings.all).toEqual([]);
  clock.advance(1);
  expect(sightings.urls).toEqual(['http://10.0.0.1:11435']);
  expect([sightings.all.length, clock.pending]).toEqual([1, 0]);
});

test('a goodbye counts only from the address, port and device that were heard there', () => {
  const { hearing, sightings } = setUp();
  hearing.announcement('10.0.0.7', speaker(11435, 'a'));
  hearing.goodbye('10.0.0.8', speaker(11435, 'a'));
  hearing.goodbye('10.0.0.7', speaker(11435, 'b'));
  hearing.goodbye('10.0.0.7', speaker(11436, 'a'));
  expect(sightings.all).toHaveLength(1);
  hearing.goodbye('10.0.0.7', speaker(11435, 'a'));
  hearing.goodbye('10.0.0.7', speaker(11435, 'a'));
  expect(sightings.all).toHaveLength(2);
  expect(sightings.all[1]).toMatchObject({
    url: 'http://10.0.0.7:11435',
    deviceId: deviceId('a'),
    leaseMs: 0,
  });
  // And it may be back at once.
  hearing.announcement('10.0.0.7', speaker(11435, 'a'));
  expect(sightings.all.map(({ leaseMs }) => leaseMs)).toEqual([15_000, 0, 15_000]);
});

test('a flood from one address is reported eight times a second', () => {
  const { clock, hearing, sightings } = setUp();
  for (let i = 0; i < 10_000; i++) hearing.bare('10.0.0.7', REPLY);
  expect(sightings.all).toHaveLength(8);
  clock.advance(1000);
  hearing.bare('10.0.0.7', REPLY);
  expect(sightings.all).toHaveLength(9);
});

test('of one address eight servers are believed, and on loopback as many as there are', () => {
  const { clock, hearing, sightings } = setUp();
  for (let i = 1; i <= 100; i++) {
    hearing.announcement('10.0.0.7', speaker(20_000 + i));
    hearing.announcement('127.0.0.1', speaker(20_000 + i));
    clock.advance(130);
  }
  const at = (host: string) => sightings.urls.filter((url) => url.startsWith(`http://${host}:`));
  expect([at('10.0.0.7').length, at('127.0.0.1').length]).toEqual([8, 100]);
});

test('of a flood from a hundred thousand addresses two hundred a second are reported, and who is known besides', () => {
  const { clock, hearing, sightings } = setUp();
  hearing.announcement('10.255.0.7', speaker(11500));
  clock.advance(1000);
  for (let i = 0; i < 100_000; i++)
    hearing.announcement(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, speaker(11435, 'b'));
  expect(sightings.all).toHaveLength(201);
  hearing.announcement('10.255.0.7', speaker(11500));
  expect(sightings.all).toHaveLength(202);
  expect(clock.pending).toBe(0);
});

test('disposal ends the waits', () => {
  const { clock, hearing, sightings } = setUp(deviceId('a'));
  hearing.bare('10.0.0.1', { as: 'announcement', ours: true });
  expect(clock.pending).toBe(1);
  hearing[Symbol.dispose]();
  expect(clock.pending).toBe(0);
  clock.advance(1000);
  expect(sightings.all).toEqual([]);
});
