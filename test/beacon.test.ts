import { afterAll, expect, test } from 'vitest';
import type { DiscoveryNotice } from '../src/discovery/notice.ts';
import { encodeQuery } from '../src/discovery/wire.ts';
import { deviceId, ManualClock, rawSocket } from './_beacon.ts';
import { ALL, client, LANA, server } from './_beacon-sides.ts';
import { until } from './_deadline.ts';
import { freePort } from './_ports.ts';

// No socket of any test is left; Node lists a closed one for a moment.
afterAll(() =>
  until(2000, 'the end of all sockets', () => !process.getActiveResourcesInfo().includes('UDPWrap')),
);

test('a client finds a running server at once, with its device and name', async () => {
  const port = await freePort();
  await using gpu = server(port);
  await gpu.start();
  const { beacon, sightings } = client(port);
  await using _ = beacon;
  const startedAt = performance.now();
  await beacon.start();
  const seen = await sightings.waitFor((sighting) => sighting.deviceId === deviceId('a'));
  expect(seen).toMatchObject({ source: 'udp', url: 'http://127.0.0.1:11435', name: 'gpu1', leaseMs: 15_000 });
  expect(seen.at - startedAt).toBeLessThan(500);
});

test('a running client hears a server that starts later within 100 ms', async () => {
  const port = await freePort();
  const { beacon, sightings } = client(port);
  await using _ = beacon;
  await beacon.start();
  await using gpu = server(port, { httpPort: 11500 });
  const startedAt = performance.now();
  await gpu.start();
  const seen = await sightings.waitFor(() => true);
  expect(seen).toMatchObject({ url: 'http://127.0.0.1:11500', deviceId: deviceId('a') });
  expect(seen.at - startedAt).toBeLessThan(100);
});

test('servers that share a machine are all found, those on another port never on the default one', async () => {
  const port = await freePort();
  const ports = [11501, 11502, 11503];
  const servers = ports.map((httpPort, i) => server(port, { httpPort, deviceId: deviceId(String(i)) }));
  await Promise.all(servers.map((each) => each.start()));
  const { beacon, sightings } = client(port);
  await beacon.start();
  const expected = ports.map((each) => `http://127.0.0.1:${each}`);
  await until(5000, 'three servers', () => sightings.urls.length === 3);
  // Longer than an unexplained announcement waits: a further start brings one from each.
  await using fourth = server(port, { httpPort: 11504, deviceId: deviceId('4') });
  await fourth.start();
  await sightings.waitFor(({ url }) => url.endsWith(':11504'));
  await until(
    2000,
    'the wait for an answer',
    () => performance.now() - (sightings.all.at(-1)?.at ?? 0) > 400,
  );
  expect(sightings.urls).toEqual([...expected, 'http://127.0.0.1:11504']);
  await beacon[Symbol.asyncDispose]();
  await Promise.all(servers.map((each) => each[Symbol.asyncDispose]()));
});

test('twenty servers that start on one machine together are all found within two seconds', async () => {
  const port = await freePort();
  const { beacon, sightings } = client(port);
  await using _ = beacon;
  await beacon.start();
  const servers = Array.from({ length: 20 }, (_, i) =>
    server(port, { httpPort: 12_000 + i, deviceId: i.toString(16).padStart(64, '0') }),
  );
  await Promise.all(servers.map((each) => each.start()));
  await until(2000, 'twenty servers', () => sightings.urls.length === 20);
  expect(sightings.all.every(({ deviceId }) => deviceId !== undefined)).toBe(true);
  await Promise.all(servers.map((each) => each[Symbol.asyncDispose]()));
  await until(
    2000,
    'twenty goodbyes',
    () => sightings.all.filter(({ leaseMs }) => leaseMs === 0).length === 20,
  );
});

test('a client of the first ollana gets exactly four bytes from the discovery port', async () => {
  const port = await freePort();
  await using gpu = server(port);
  await gpu.start();
  await using old = await rawSocket(0, { address: '0.0.0.0' });
  await old.send(LANA, port, ALL);
  await until(2000, 'a reply', () => old.heard.length > 0);
  expect(old.heard).toMatchObject([{ hex: LANA, from: '127.0.0.1', fromPort: port }]);
  await gpu[Symbol.asyncDispose]();
  // No goodbye either: it would take that for a reply, connect to a server that is gone, and exit.
  await old.send(LANA, old.port, '127.0.0.1');
  await until(2000, 'the marker', () => old.heard.length > 1);
  expect(old.heard).toMatchObject([{ fromPort: port }, { fromPort: old.port }]);
});

test('a client of the first ollana hears nothing from a server on another port', async () => {
  const port = await freePort();
  await using gpu = server(port, { httpPort: 11500 });
  await gpu.start();
  await using old = await rawSocket();
  await using newer = await rawSocket();
  await old.send(LANA, port, ALL);
  await newer.send(encodeQuery('0102030405060708').toString('hex'), port, ALL);
  await until(2000, 'the extended reply', () => newer.heard.length > 0);
  expect(old.heard).toEqual([]);
});

test('a server of the first ollana is found on port 11435, although it does not share the discovery port', async () => {
  const port = await freePort();
  await using old = await rawSocket(port, { address: '0.0.0.0' });
  const queries: string[] = [];
  old.onMessage((hex, from) => {
    queries.push(hex);
    // It reads four bytes and answers whoever sent them.
    if (hex.startsWith(LANA)) void old.send(LANA, from.port, from.address);
  });
  const notices: DiscoveryNotice[] = [];
  const { beacon, sightings } = client(port, { onNotice: (notice) => notices.push(notice) });
  await using _ = beacon;
  await beacon.start();
  const seen = await sightings.waitFor(() => true);
  expect(seen).toEqual({ source: 'udp', url: 'http://127.0.0.1:11435', leaseMs: 15_000, at: seen.at });
  expect(queries).toContain(LANA);
  expect(notices).toMatchObject([
    { type: 'listen-failed', port, reason: expect.stringContaining('EADDRINUSE') },
  ]);
});

test('what comes from the discovery port is never answered: two servers cannot keep each other talking', async () => {
  const port = await freePort();
  const clock = new ManualClock();
  await using sniffer = await rawSocket(port, { address: '0.0.0.0', reuseAddr: true });
  await using one = server(port, { deviceId: deviceId('1'), clock });
  await using two = server(port, { deviceId: deviceId('2'), clock });
  await Promise.all([one.start(), two.start()]);
  await until(2000, 'two announcements', () => sniffer.heard.length === 2);
  // One forged datagram that seems to come from a server: the first ollana's servers would answer it for ever.
  await using forger = await rawSocket(port, { address: '127.0.0.2', reuseAddr: true });
  for (const hex of [LANA, encodeQuery('0102030405060708').toString('hex')]) {
    await forger.send(hex, port, ALL);
    await forger.send(hex, port, '127.0.0.1');
  }
  await using marker = await rawSocket();
  await marker.send(LANA, port, ALL);
  await until(2000, 'replies to the marker', () => marker.heard.length === 2);
  // Had anything been said since, it would have come before this, which everybody hears.
  await marker.send('00', port, ALL);
  await until(2000, 'the last word', () => sniffer.heard.at(-1)?.hex === '00');
  expect(forger.heard).toEqual([]);
  // Two announcements, the forgeries to all, the marker, the last word.
  expect(sniffer.heard.filter(({ from }) => from === '127.0.0.1')).toHaveLength(4);
  expect(sniffer.heard).toHaveLength(6);
});

test('garbage and answers to questions nobody asked are neither answered nor sightings', async () => {
  const port = await freePort();
  await using gpu = server(port);
  await gpu.start();
  const { beacon, sightings } = client(port);
  await using _ = beacon;
  await beacon.start();
  await sightings.waitFor((sighting) => sighting.deviceId !== undefined);
  await using stranger = await rawSocket();
  for (const hex of ['', '4c', '4c414e', 'ff'.repeat(1400), `00${LANA}`]) await stranger.send(hex, port, ALL);
  await stranger.send(LANA, port, ALL);
  await until(2000, 'the reply to the last', () => stranger.heard.length > 0);
  expect(stranger.heard).toHaveLength(1);
  expect(sightings.urls).toEqual(['http://127.0.0.1:11435']);
});

test('a source is replied to once a second and loopback, which many share, fifty times', async () => {
  const port = await freePort();
  await using gpu = server(port);
  await gpu.start();
  await using flood = await rawSocket();
  for (let i = 0; i < 150; i++) await flood.send(LANA, port, '127.0.0.1');
  // Answered when everything before it has been.
  await flood.send(encodeQuery('0102030405060708').toString('hex'), port, '127.0.0.1');
  await until(2000, 'the extended reply', () => flood.heard.some(({ hex }) => hex.length > 8));
  const replies = flood.heard.filter(({ hex }) => hex === LANA).length;
  expect(replies).toBeGreaterThanOrEqual(50);
  expect(replies).toBeLessThanOrEqual(100); // A second may have ended in between.
});

test('our own server is not a sighting, others on the machine are', async () => {
  const port = await freePort();
  await using own = server(port);
  await using other = server(port, { httpPort: 11500, deviceId: deviceId('b') });
  await Promise.all([own.start(), other.start()]);
  const { beacon, sightings } = client(port, { ownDeviceId: deviceId('a') });
  await using _ = beacon;
  await beacon.start();
  await sightings.waitFor(({ url }) => url.endsWith(':11500'));
  await until(2000, 'the wait for an answer', () => performance.now() - (sightings.all[0]?.at ?? 0) > 400);
  expect(sightings.urls).toEqual(['http://127.0.0.1:11500']);
});
