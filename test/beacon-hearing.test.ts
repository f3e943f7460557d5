import { expect, test } from 'vitest';
import { Hearing } from '../src/discovery/hearing.ts';
import { deviceId, ManualClock, Sightings } from './_beacon.ts';

const NONCE = '0102030405060708';
const speaker = (httpPort: number, digit = 'a') => ({ httpPort, deviceId: deviceId(digit), name: 'gpu1' });
const REMOTE_REPLY = { as: 'reply', ours: false } as const;
const REMOTE_ANNOUNCEMENT = { as: 'announcement', ours: false } as const;

function setUp(ownDeviceId?: string) {
  const clock = new ManualClock();
  const sightings = new Sightings();
  const asked: string[] = [];
  const hearing = new Hearing({
    clock,
    httpPort: 11435,
    ownDeviceId,
    onSighting: sightings.add,
    ask: (address) => {
      asked.push(address);
      hearing.asked(address, NONCE);
    },
  });
  return { clock, sightings, asked, hearing };
}

test('a bare reply is a sighting on the default port at once, and a question', () => {
  const { hearing, sightings, asked } = setUp();
  hearing.bare('10.0.0.7', REMOTE_REPLY);
  expect(sightings.all).toMatchObject([{ source: 'udp', url: 'http://10.0.0.7:11435', leaseMs: 15_000 }]);
  expect(asked).toEqual(['10.0.0.7']);
});

test('an announcement waits for the answer, which may name another port', () => {
  const { clock, hearing, sightings } = setUp();
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  hearing.reply('10.0.0.7', NONCE, speaker(11500));
  clock.advance(1000);
  expect(sightings.all).toMatchObject([
    { url: 'http://10.0.0.7:11500', deviceId: deviceId('a'), name: 'gpu1', leaseMs: 15_000 },
  ]);
});

test('an announcement nobody explains counts as the default port after 300 ms', () => {
  const { clock, hearing, sightings } = setUp();
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  clock.advance(299);
  expect(sightings.all).toEqual([]);
  clock.advance(1);
  expect(sightings.urls).toEqual(['http://10.0.0.7:11435']);
  expect(sightings.all).toHaveLength(1);
});

test('a server that once named its port is not taken for the default one when an answer is lost', () => {
  const { clock, hearing, sightings } = setUp();
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  hearing.reply('10.0.0.7', NONCE, speaker(11500));
  clock.advance(5000);
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  clock.advance(5000);
  expect(sightings.urls).toEqual(['http://10.0.0.7:11500']);
});

test('a reply counts only from where the question went, and not too late', () => {
  const { clock, hearing, sightings } = setUp();
  hearing.asked('10.0.0.7', NONCE);
  hearing.reply('10.0.0.8', NONCE, speaker(11500));
  hearing.reply('10.0.0.7', '0000000000000000', speaker(11500));
  clock.advance(4000);
  hearing.reply('10.0.0.7', NONCE, speaker(11500));
  expect(sightings.all).toEqual([]);
});

test('all servers on loopback may answer one question', () => {
  const { hearing, sightings } = setUp();
  hearing.asked('127.255.255.255', NONCE);
  hearing.reply('127.0.0.1', NONCE, speaker(11435, 'a'));
  hearing.reply('127.0.0.1', NONCE, speaker(11500, 'b'));
  expect(sightings.urls).toEqual(['http://127.0.0.1:11435', 'http://127.0.0.1:11500']);
});

test('our own device is not a sighting, also when it can only be told by its answer', () => {
  const { clock, hearing, sightings } = setUp(deviceId('a'));
  hearing.bare('10.0.0.1', { as: 'reply', ours: true });
  hearing.reply('10.0.0.1', NONCE, speaker(11435, 'a'));
  clock.advance(1000);
  expect(sightings.all).toEqual([]);
});

test('a goodbye counts only from the address, port and device that were heard there', () => {
  const { hearing, sightings } = setUp();
  hearing.asked('10.0.0.7', NONCE);
  hearing.reply('10.0.0.7', NONCE, speaker(11435, 'a'));
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
});

test('a server that said goodbye and announces itself again is asked at once', () => {
  const { hearing, sightings, asked } = setUp();
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  hearing.reply('10.0.0.7', NONCE, speaker(11500));
  hearing.goodbye('10.0.0.7', speaker(11500));
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  expect(asked).toHaveLength(2);
  hearing.reply('10.0.0.7', NONCE, speaker(11500));
  expect(sightings.all.map(({ leaseMs }) => leaseMs)).toEqual([15_000, 0, 15_000]);
});

test('a server is asked at most once a second, and all together at most 50 times', () => {
  const { clock, hearing, asked } = setUp();
  for (let i = 0; i < 8; i++) hearing.bare('10.0.0.7', REMOTE_REPLY);
  expect(asked).toHaveLength(1);
  clock.advance(1000);
  for (let i = 0; i < 5000; i++) hearing.bare(`10.1.${i >> 8}.${i & 255}`, REMOTE_ANNOUNCEMENT);
  expect(asked).toHaveLength(51);
});

test('a flood from one address is reported eight times a second', () => {
  const { clock, hearing, sightings } = setUp();
  for (let i = 0; i < 10_000; i++) hearing.bare('10.0.0.7', REMOTE_REPLY);
  expect(sightings.all).toHaveLength(8);
  clock.advance(1000);
  hearing.bare('10.0.0.7', REMOTE_REPLY);
  expect(sightings.all).toHaveLength(9);
});

test('a flood from a hundred thousand addresses leaves a bounded number of timers, and disposal none', () => {
  const { clock, hearing, sightings } = setUp();
  for (let i = 0; i < 100_000; i++)
    hearing.bare(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, REMOTE_ANNOUNCEMENT);
  expect(clock.pending).toBe(1024);
  hearing[Symbol.dispose]();
  expect(clock.pending).toBe(0);
  clock.advance(1000);
  expect(sightings.all).toEqual([]);
});

test('a reply ends the wait that an announcement began', () => {
  const { clock, hearing, sightings } = setUp();
  hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
  hearing.bare('10.0.0.7', REMOTE_REPLY);
  expect([clock.pending, sightings.all.length]).toEqual([0, 1]);
});

test('on news, servers that answered lately are asked again, not more often than once a second', () => {
  const { clock, hearing, asked } = setUp();
  hearing.bare('10.0.0.7', REMOTE_REPLY);
  hearing.reply('10.0.0.7', NONCE, speaker(11435));
  hearing.bare('10.0.0.8', REMOTE_REPLY);
  const everywhere = () => true;
  hearing.askAgain(everywhere, false);
  expect(asked).toEqual(['10.0.0.7', '10.0.0.8']);
  clock.advance(1000);
  hearing.askAgain(() => false, false);
  hearing.askAgain(everywhere, false);
  expect(asked.slice(2)).toEqual(['10.0.0.7']);
  clock.advance(15_000);
  hearing.askAgain(everywhere, false);
  expect(asked).toHaveLength(3);
});

test('in the rhythm a server is asked every second round, heard or not, until it counts no longer', () => {
  const { clock, hearing, asked } = setUp();
  hearing.bare('10.0.0.7', REMOTE_REPLY);
  hearing.reply('10.0.0.7', NONCE, speaker(11500));
  const at: number[] = [];
  for (let second = 1; second <= 80; second++) {
    clock.advance(1000);
    const before = asked.length;
    // It falls silent after 40 s.
    if (second % 5 === 0) hearing.askAgain(() => true, true);
    if (second % 5 === 3 && second < 40) hearing.bare('10.0.0.7', REMOTE_ANNOUNCEMENT);
    if (asked.length === before) continue;
    at.push(second);
    if (second < 40) hearing.reply('10.0.0.7', NONCE, speaker(11500));
  }
  expect(at).toEqual([8, 18, 28, 38, 50]);
});

test('when thirty servers start on our machine at once, the last ones are asked for a second later', () => {
  const { clock, hearing, asked } = setUp();
  for (let i = 0; i < 30; i++) hearing.bare('127.0.0.1', { as: 'announcement', ours: true });
  expect(asked).toHaveLength(10);
  clock.advance(1000);
  expect(asked).toHaveLength(11);
  clock.advance(5000);
  expect(asked).toHaveLength(11);
});
