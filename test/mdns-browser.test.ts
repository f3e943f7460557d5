import dnsPacket from 'dns-packet';
import { expect, test } from 'vitest';
import { systemClock } from '../src/clock.ts';
import type { Interfaces } from '../src/discovery/interfaces.ts';
import { MdnsBrowser, type MdnsBrowserOptions } from '../src/discovery/mdns-browser.ts';
import type { DiscoveryNotice } from '../src/discovery/notice.ts';
import { deviceId, LOOPBACK, ManualClock, rawSocket, Sightings } from './_beacon.ts';
import { until } from './_deadline.ts';
import { flipsOf, HastyClock, noiseOf, prefixesOf } from './_hostile.ts';
import { info, peer, recordsOf, responseOf } from './_mdns.ts';
import { freePort } from './_ports.ts';

const URL = 'http://127.0.0.1:11500';
const BROWSE = ['PTR _ollana._tcp.local', 'PTR _ollama._tcp.local'];

async function setUp(options: Partial<MdnsBrowserOptions> = {}) {
  const port = await freePort();
  const other = await peer(port);
  const sightings = new Sightings();
  const notices: DiscoveryNotice[] = [];
  const browser = new MdnsBrowser({
    interfaces: [LOOPBACK],
    clock: systemClock,
    onSighting: sightings.add,
    onNotice: (notice) => notices.push(notice),
    port,
    ...options,
  });
  return {
    port,
    other,
    sightings,
    notices,
    browser,
    [Symbol.asyncDispose]: async () => {
      await browser[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when so many questions have been asked, by pairs. */
const rounds = (asked: readonly string[], count: number) =>
  until(5000, `${count} rounds`, () => asked.length >= count * BROWSE.length);

test('it asks for both services at start, and an answer is a sighting', async () => {
  await using lan = await setUp();
  await lan.browser.start();
  await rounds(lan.other.asked, 1);
  expect(lan.other.asked).toEqual(BROWSE);
  await lan.other.send(responseOf(recordsOf()));
  expect(await lan.sightings.waitFor(() => true)).toMatchObject({
    source: 'mdns',
    url: URL,
    deviceId: deviceId('a'),
    name: 'GPU 1',
    leaseMs: 120_000,
  });
  await lan.other.send(responseOf(recordsOf({ ttl: 0 })));
  await lan.sightings.waitFor(({ leaseMs, url }) => leaseMs === 0 && url === URL);
});

test('what an answer leaves out is asked for', async () => {
  await using lan = await setUp();
  await lan.browser.start();
  const [pointer, ...others] = recordsOf();
  await lan.other.send(responseOf([pointer]));
  await until(5000, 'a question', () => lan.other.asked.includes('SRV gpu1._ollana._tcp.local'));
  await lan.other.send(responseOf(others));
  await lan.sightings.waitFor(({ url }) => url === URL);
});

test('an answer that does not come from the port of mDNS is none', async () => {
  await using lan = await setUp();
  await lan.browser.start();
  await lan.other.sendFromElsewhere(responseOf(recordsOf({ port: 1 })));
  await lan.other.send(responseOf(recordsOf()));
  await lan.sightings.waitFor(({ url }) => url === URL);
  expect(lan.sightings.urls).toEqual([URL]);
});

test('it asks again after 1, 2, 4 ... s, and before what it knows runs out; refresh asks at most once a second', async () => {
  const clock = new ManualClock();
  await using lan = await setUp({ clock, random: () => 0 });
  const { asked } = lan.other;
  await lan.browser.start();
  await rounds(asked, 1);
  const start = clock.now();
  const at: number[] = [];
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      const before = asked.length;
      clock.advance(1000);
      // What is asked now is heard before the next second passes; silence cannot be awaited, but a mark of ours can.
      const heard = lan.other.heard();
      await lan.other.send(responseOf([]));
      await until(5000, 'the mark', () => lan.other.heard() > heard);
      if (asked.length > before) at.push((clock.now() - start) / 1000);
    }
  };
  await pass(40);
  expect(at).toEqual([1, 3, 7, 15, 31]);
  await lan.other.send(responseOf(recordsOf({ ttl: 20 })));
  await lan.sightings.waitFor(({ leaseMs }) => leaseMs === 20_000);
  await pass(20);
  expect(at.slice(5)).toEqual([55, 56, 57, 58]);
  const before = asked.length;
  lan.browser.refresh();
  lan.browser.refresh();
  await rounds(asked, before / 2 + 1);
  at.length = 0;
  await pass(4);
  expect(at.slice(0, 2)).toEqual([62, 64].map((each) => each - 1));
});

test('while a server is known only what renews it is asked; when none is, everybody is looked for again', async () => {
  const clock = new ManualClock();
  await using lan = await setUp({ clock, random: () => 0 });
  const { asked } = lan.other;
  await lan.browser.start();
  await rounds(asked, 1);
  await lan.other.send(responseOf(recordsOf({ ttl: 200 })));
  await lan.sightings.waitFor(({ leaseMs }) => leaseMs === 200_000);
  const start = clock.now();
  const at: number[] = [];
  for (let second = 1; second <= 230; second++) {
    const [before, heard] = [asked.length, lan.other.heard()];
    clock.advance(1000);
    await lan.other.send(responseOf([]));
    await until(5000, 'the mark', () => lan.other.heard() > heard);
    if (asked.length > before) at.push((clock.now() - start) / 1000);
  }
  // Three quarters of 200 s and on; at their end it is gone, and 32 s have long passed.
  expect(at.slice(5)).toEqual([150, 160, 170, 180, 212]);
});

test('a sleep and a change of the network make it ask at once', async () => {
  const clock = new ManualClock();
  let interfaces: Interfaces = { [LOOPBACK]: [info('127.0.0.1/8')] };
  await using lan = await setUp({ clock, interfaces: [], networkInterfaces: () => interfaces });
  await lan.browser.start();
  await rounds(lan.other.asked, 1);
  // To where it would ask on its own in minutes only.
  for (let i = 0; i < 1000; i++) clock.advance(1000);
  const quiet = lan.other.asked.length;
  clock.jumpWall(60_000);
  clock.advance(1000);
  await until(5000, 'a question after the sleep', () => lan.other.asked.length > quiet);
  const awake = lan.other.asked.length;
  interfaces = { ...interfaces, eth7: [info('192.0.2.5/24')] };
  clock.advance(1000);
  await until(5000, 'a question by the changed network', () => lan.other.asked.length > awake);
  // This machine has no such address, so it can neither join there nor send.
  await until(5000, 'a notice', () => lan.notices.some(({ type }) => type === 'listen-failed'));
  await lan.other.send(responseOf(recordsOf()));
  await lan.sightings.waitFor(({ url }) => url === URL);
});

test('a socket that cannot be had is said once, tried again, and harms nobody', async () => {
  const clock = new ManualClock();
  const port = await freePort();
  const holder = await rawSocket(port, { address: '0.0.0.0' });
  await using lan = await setUp({ clock, port });
  await lan.browser.start();
  expect(lan.notices).toMatchObject([
    { type: 'listen-failed', port, reason: expect.stringMatching(/mDNS: .*EADDRINUSE/) },
  ]);
  clock.advance(25_000);
  await holder[Symbol.asyncDispose]();
  await using other = await peer(port);
  for (let i = 0; i < 3; i++) {
    clock.advance(11_000);
    lan.browser.refresh();
  }
  await rounds(other.asked, 1);
  expect(lan.notices).toHaveLength(1);
});

test('garbage and other people\u2019s questions do not hinder it, too many answers wait for the next second', async () => {
  const clock = new ManualClock();
  await using lan = await setUp({ clock });
  await lan.browser.start();
  const question = dnsPacket.encode({
    type: 'query',
    questions: [{ type: 'PTR', name: '_ollana._tcp.local' }],
  });
  for (let i = 0; i < 200; i++) await lan.other.send(i % 2 === 0 ? Buffer.from('this is no DNS') : question);
  await lan.other.send(responseOf(recordsOf()));
  await lan.sightings.waitFor(({ url }) => url === URL);
  const before = lan.other.heard();
  for (let i = 0; i < 250; i++) await lan.other.send(responseOf([]));
  await lan.other.send(responseOf(recordsOf({ port: 11_501 })));
  await until(5000, 'all packets', () => lan.other.heard() >= before + 251);
  expect(lan.sightings.urls).toEqual([URL]);
  clock.advance(1000);
  await lan.other.send(responseOf(recordsOf({ port: 11_501 })));
  await lan.sightings.waitFor(({ url }) => url === 'http://127.0.0.1:11501');
});

test('nothing is reported after disposal, no timer stays, and no start comes after it', async () => {
  const clock = new ManualClock();
  await using lan = await setUp({ clock });
  await lan.browser.start();
  await lan.browser[Symbol.asyncDispose]();
  await lan.browser[Symbol.asyncDispose]();
  expect(clock.pending).toBe(0);
  await lan.browser.start();
  lan.browser.refresh();
  await lan.other.send(responseOf(recordsOf()));
  await until(5000, 'the packet', () => lan.other.heard() > 1);
  expect(lan.sightings.all).toEqual([]);
});

test('every prefix and bit flip of a real response and 10 000 random packets leave it as it was', async () => {
  await using lan = await setUp({ clock: new HastyClock() });
  await lan.browser.start();
  const good = responseOf(recordsOf({ addresses: ['127.0.0.1', '::1'] }));
  // Most look like a response at first, with some records of each section.
  const noise = noiseOf(10_000, Buffer.from('000084000001000200010002', 'hex'));
  const sent = [...prefixesOf(good), ...flipsOf(good), ...noise];
  const before = lan.other.heard();
  // Never more on the way than a socket buffers.
  for (let i = 0; i < sent.length; i += 50) {
    const some = sent.slice(i, i + 50);
    await Promise.all(some.map((bytes) => lan.other.send(bytes)));
    await until(5000, 'what was sent', () => lan.other.heard() - before >= i + some.length, 0);
  }
  const label = 'after the storm';
  await lan.other.send(responseOf(recordsOf({ label, port: 11_777, text: [`id=${deviceId('c')}`] })));
  const seen = await lan.sightings.waitFor(({ url }) => url === 'http://127.0.0.1:11777');
  expect(seen).toMatchObject({ deviceId: deviceId('c'), name: label });
  for (const { url, name = '', deviceId: id = deviceId('a') } of lan.sightings.all) {
    expect(url).toMatch(/^http:\/\/(127\.\d+\.\d+\.\d+|\[::1\]):[1-9]\d{0,4}$/);
    expect(name).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
  }
}, 60_000);
