import { expect, test } from 'vitest';
import { MdnsHearing } from '../src/discovery/mdns-hearing.ts';
import { MdnsLeases } from '../src/discovery/mdns-leases.ts';
import { Neighbourhood } from '../src/discovery/mdns-near.ts';
import { factsOf } from '../src/discovery/mdns-records.ts';
import { deviceId, ManualClock, Sightings } from './_beacon.ts';
import { decode, HOME, recordsOf, responseOf, type ServerRecords } from './_mdns.ts';

const near = new Neighbourhood(HOME, []);
const GPU: ServerRecords = { addresses: ['10.0.0.7'] };
const URL = 'http://10.0.0.7:11500';

function setUp(ownDeviceId?: string) {
  const clock = new ManualClock();
  const sightings = new Sightings();
  const asked: string[] = [];
  const leases = new MdnsLeases(clock, () => 0);
  const hearing = new MdnsHearing({
    clock,
    leases,
    ownDeviceId,
    onSighting: sightings.add,
    ask: (questions, from) => asked.push(...questions.map(({ type, name }) => `${from} ${type} ${name}`)),
  });
  const hear = (records: readonly unknown[], from = '10.0.0.7') =>
    hearing.heard(factsOf(decode(responseOf(records as ReturnType<typeof recordsOf>))), {
      address: from,
      here: near.isHere(from),
      mayName: (address) => near.mayName(address, from),
    });
  return { clock, sightings, asked, leases, hear };
}

test('a response with everything is a sighting, with nothing left to ask', () => {
  const { hear, sightings, asked } = setUp();
  hear(recordsOf(GPU));
  expect(sightings.all).toMatchObject([
    { source: 'mdns', url: URL, deviceId: deviceId('a'), name: 'GPU 1', leaseMs: 120_000 },
  ]);
  expect(asked).toEqual([]);
});

test('each address of both families is a sighting; link-local ones are not', () => {
  const { hear, sightings } = setUp();
  hear(recordsOf({ addresses: ['10.0.0.7', 'fd00:1::7', 'fe80::7'] }));
  expect(sightings.urls).toEqual([URL, 'http://[fd00:1::7]:11500']);
});

test('a plain Ollama is a sighting without a device, also without text', () => {
  const { hear, sightings } = setUp();
  const [pointer, place, , address] = recordsOf({ ...GPU, service: 'ollama', label: 'Box' });
  hear([pointer, place, address]);
  expect(sightings.all).toMatchObject([{ url: URL, name: 'Box' }]);
  expect(sightings.all[0]).not.toHaveProperty('deviceId');
});

test('what is missing is asked for, step by step, and put together', () => {
  const { hear, sightings, asked } = setUp();
  const [pointer, place, text, address] = recordsOf(GPU);
  hear([pointer]);
  expect(asked).toEqual(['SRV', 'TXT'].map((type) => `10.0.0.7 ${type} gpu1._ollana._tcp.local`));
  hear([place]);
  expect(sightings.all).toEqual([]);
  hear([text]);
  expect(asked.slice(2)).toEqual(['A', 'AAAA'].map((type) => `10.0.0.7 ${type} ollana-aa.local`));
  expect(sightings.all).toEqual([]);
  hear([address]);
  expect(sightings.all).toMatchObject([{ url: URL, deviceId: deviceId('a') }]);
});

test('our own device is no news, whatever it says', () => {
  const { hear, sightings, asked } = setUp(deviceId('a'));
  const [pointer, place, text, address] = recordsOf(GPU);
  for (const records of [[pointer, place, address], [text], [pointer, place, text, address]]) hear(records);
  hear(recordsOf({ ...GPU, ttl: 0 }));
  expect(sightings.all).toEqual([]);
  expect(asked).toHaveLength(2);
});

test('a goodbye ends every address at once, and the server may come back', () => {
  const { hear, sightings } = setUp();
  const both = { addresses: ['10.0.0.7', 'fd00:1::7'] };
  hear(recordsOf(both));
  hear(recordsOf({ ...both, ttl: 0 }));
  const left = sightings.all.slice(2);
  expect(left).toMatchObject([
    { url: URL, leaseMs: 0, deviceId: deviceId('a') },
    { url: 'http://[fd00:1::7]:11500', leaseMs: 0 },
  ]);
  hear(recordsOf({ ...both, ttl: 0 }));
  expect(sightings.all).toHaveLength(4);
  hear(recordsOf(both));
  expect(sightings.all.at(-1)).toMatchObject({ leaseMs: 120_000 });
});

test('only whoever announced a server can dismiss or move it', () => {
  const { hear, sightings } = setUp();
  hear(recordsOf(GPU));
  hear(recordsOf({ ...GPU, ttl: 0 }), '10.0.0.66');
  expect(sightings.all).toHaveLength(1);
  hear(recordsOf({ ...GPU, port: 9 }), '10.0.0.66');
  expect(sightings.all.filter(({ leaseMs }) => leaseMs === 0)).toEqual([]);
});

test('an address that is not on our networks, or is ours, is ignored', () => {
  const { hear, sightings } = setUp();
  hear(
    recordsOf({
      addresses: ['8.8.8.8', '127.0.0.1', '10.0.0.5', '2001:db8::1', '224.0.0.1', '0.0.0.0', '::'],
    }),
  );
  expect(sightings.all).toEqual([]);
});

test('a server that moves to another port is gone at the old one', () => {
  const { hear, sightings } = setUp();
  hear(recordsOf(GPU));
  hear(recordsOf({ ...GPU, port: 11501 }));
  expect(sightings.all.slice(1)).toMatchObject([
    { url: URL, leaseMs: 0 },
    { url: 'http://10.0.0.7:11501', leaseMs: 120_000 },
  ]);
});

test.each([
  [1, 15_000],
  [60, 60_000],
  [4500, 300_000],
  [4_294_967_295, 300_000],
])('a time to live of %d s counts as %d ms', (ttl, leaseMs) => {
  const { hear, sightings } = setUp();
  hear(recordsOf({ ...GPU, ttl }));
  expect(sightings.all).toMatchObject([{ leaseMs }]);
});

test('a claim is to be renewed at 75, 80, 85 and 90 % of its time, until it is heard again', () => {
  const { hear, clock, leases } = setUp();
  const dueAt: number[] = [];
  const start = clock.now();
  hear(recordsOf(GPU));
  for (let askedAt = start; clock.now() < start + 300_000; clock.advance(1000))
    if (leases.isDue(askedAt)) {
      askedAt = clock.now();
      dueAt.push((askedAt - start) / 1000);
      if (dueAt.length === 2) hear(recordsOf(GPU));
    }
  expect(dueAt).toEqual([90, 96, 186, 192, 198, 204]);
});

test('a claim that was taken back is not renewed', () => {
  const { hear, clock, leases } = setUp();
  hear(recordsOf(GPU));
  hear(recordsOf({ ...GPU, ttl: 0 }));
  clock.advance(110_000);
  expect(leases.isDue(0)).toBe(false);
});

test('one speaker makes so many sightings a second, others are still heard', () => {
  const { hear, sightings } = setUp();
  for (let i = 0; i < 100; i++)
    hear(recordsOf({ label: `x${i}`, addresses: ['10.0.0.7', '10.0.0.8'], host: `h${i}.local` }));
  expect(sightings.all).toHaveLength(50);
  hear(recordsOf({ addresses: ['10.0.0.9'] }), '10.0.0.9');
  expect(sightings.all).toHaveLength(51);
});

test('a host with hundreds of addresses has eight', () => {
  const { hear, sightings } = setUp();
  hear(recordsOf({ addresses: Array.from({ length: 200 }, (_, i) => `10.0.0.${i + 10}`) }));
  expect(sightings.all).toHaveLength(8);
});

test('forged answers with holes make few questions', () => {
  const { hear, asked } = setUp();
  for (let i = 0; i < 500; i++) hear([recordsOf({ label: `x${i}` })[0]], `10.0.0.${(i % 200) + 10}`);
  expect(asked).toHaveLength(40);
});

test('servers beyond the thousandth push out the oldest, whose goodbye says nothing then', () => {
  const { hear, clock, sightings } = setUp();
  for (let i = 0; i < 1500; i++) {
    if (i % 40 === 0) clock.advance(1000);
    hear(recordsOf({ label: `x${i}`, host: `h${i}.local`, addresses: ['10.0.0.7'], port: 1000 + i }));
  }
  expect(sightings.urls).toHaveLength(1500);
  hear(recordsOf({ label: 'x0', ttl: 0 }));
  hear(recordsOf({ label: 'x1499', ttl: 0 }));
  expect(sightings.all.filter(({ leaseMs }) => leaseMs === 0).map(({ url }) => url)).toEqual([
    'http://10.0.0.7:2499',
  ]);
});
