import { describe, expect, it } from 'vitest';
import { readHeartbeat } from '../src/discovery/heartbeat.ts';
import { isNeighbour, plainAddress, reachableAddresses, urlAt } from '../src/discovery/neighbours.ts';
import { Registrations } from '../src/discovery/registrations.ts';
import { ManualClock, Sightings } from './_beacon.ts';
import { until } from './_deadline.ts';
import { LAN } from './_heartbeat.ts';
import { info } from './_mdns.ts';

describe('an address that a peer names', () => {
  it.each(['192.168.1.7', '2001:db8:1::7'])('%s is a neighbour', (address) => {
    expect(isNeighbour(address, LAN)).toBe(true);
  });

  it.each([
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::', '::ffff:192.168.1.7', '::192.168.1.7'],
    ...['169.254.169.254', '169.254.7.8', 'fd00:ec2::254', 'fe80::7', 'fe80::7%eth0'],
    ...['224.0.0.1', '255.255.255.255', 'ff02::1', '64:ff9b::c0a8:107', '2002:c0a8:107::1'],
    ...['192.168.2.7', '8.8.8.8', '10.9.9.9', '2001:db8:2::7', '192.168.1.0', '192.168.1.255'],
    ...[
      '192.168.1.5',
      '2001:db8:1::5',
      'localhost',
      'gpu1',
      '',
      '192.168.1.7:80',
      '0xc0a80107',
      '3232235783',
    ],
  ])('%j is not', (address) => {
    expect(isNeighbour(address, LAN)).toBe(false);
  });

  it.each(['192.168.1.99', '2001:db8:1::99', '2001:db8:1:0::99'])(
    '%s is not where we have it on loopback, as the machines behind a load balancer do',
    (address) => {
      const extra = [info('192.168.1.99/32'), info('2001:db8:1::99/128')];
      const virtual = extra.map((one) => ({ ...one, internal: true }));
      expect(isNeighbour(address, { ...LAN, lo: [...(LAN.lo ?? []), ...virtual] })).toBe(false);
      expect(isNeighbour(address, LAN)).toBe(true);
    },
  );

  it('and of a connection are written as in a URL', () => {
    expect(plainAddress('::ffff:10.0.0.7')).toBe('10.0.0.7');
    expect(urlAt('fd00::7', 11435)).toBe('http://[fd00::7]:11435');
    expect(urlAt('10.0.0.7', 80)).toBe('http://10.0.0.7');
    expect(urlAt('fe80::7%eth0', 11435)).toBeUndefined();
    expect(reachableAddresses(LAN)).toEqual({ ipv4: '192.168.1.5', ipv6: '2001:db8:1::5' });
    expect(reachableAddresses({})).toEqual({});
  });
});

describe('the body of a heartbeat', () => {
  it('of the seed system is understood, whatever stands beside it', () => {
    const beat = readHeartbeat({
      node_id: 'ollama-node-1',
      ipv4: '192.168.1.100',
      ipv6: '2401:4900::1a5b',
      port: 8001,
      models: ['qwen2.5:7b', 'llama3'],
      metadata: { hostname: 'node1', cores: 8 },
      load: { cpu: 0.25, memory: 0.45 },
      cloudflare_url: 'https://evil.example',
    });
    expect(beat).toEqual({
      nodeId: 'ollama-node-1',
      ipv4: '192.168.1.100',
      ipv6: '2401:4900::1a5b',
      port: 8001,
      models: ['qwen2.5:7b', 'llama3'],
      metadata: { hostname: 'node1' },
      load: { cpu: 0.25, memory: 0.45 },
    });
  });

  it.each([
    [{ port: 1 }, /node_id/],
    [{ node_id: '', port: 1 }, /node_id/],
    [{ node_id: '\u001b\u0007', port: 1 }, /node_id/],
    [{ node_id: 'x'.repeat(129), port: 1 }, /node_id/],
    [{ node_id: 'x' }, /port/],
    [{ node_id: 'x', port: 0 }, /port/],
    [{ node_id: 'x', port: 70_000 }, /port/],
    [{ node_id: 'x', port: '80' }, /port/],
  ])('%j is refused', (body, reason) => {
    expect(() => readHeartbeat(body)).toThrow(reason);
  });

  it('is bounded, and nonsense in it is left out', () => {
    const rows = Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'v'.repeat(5000)]);
    const beat = readHeartbeat({
      node_id: 'x',
      port: 1,
      ipv4: {},
      ipv6: 'f'.repeat(99),
      models: [7, '', 'a b', '\u001b[2J', 'm'.repeat(600), ...rows.map(([key]) => key)],
      metadata: JSON.parse(
        `{"__proto__":"x","hostname":"a\\u001bb",${JSON.stringify(Object.fromEntries(rows)).slice(1)}`,
      ),
      load: { cpu: 7, memory: 'x' },
    });
    expect(beat).toMatchObject({ ipv4: undefined, ipv6: undefined, load: { cpu: null, memory: null } });
    expect([beat.models.length, beat.models[0]]).toEqual([512, 'k0']);
    expect(Object.keys(beat.metadata).length).toBeLessThanOrEqual(16);
    expect(beat.metadata.hostname).toBe('ab');
    expect(Object.values(beat.metadata).every((value) => value.length <= 256)).toBe(true);
  });
});

function registrations(isSame: (url: string, other: string) => boolean = () => true) {
  const clock = new ManualClock();
  const sightings = new Sightings();
  const asked: string[] = [];
  const source = new Registrations({
    clock,
    onSighting: sightings.add,
    interfaces: () => LAN,
    isSameDevice: async (url, other) => {
      asked.push(other);
      return isSame(url, other);
    },
  });
  const hear = (from: string, more: object = {}) =>
    source.hear(readHeartbeat({ node_id: 'n', port: 11435, ...more }), from);
  return { clock, sightings, asked, source, hear, urls: () => sightings.all.map(({ url }) => url) };
}

describe('registrations', () => {
  it('believe the address of the connection, for a minute', async () => {
    const { hear, sightings, clock, source } = registrations();
    expect(hear('::ffff:192.168.1.7', { ipv4: '192.168.1.99' })).toBe('http://192.168.1.7:11435');
    expect(sightings.all).toMatchObject([
      { source: 'heartbeat', url: 'http://192.168.1.7:11435', leaseMs: 60_000 },
    ]);
    expect(sightings.all[0]).not.toHaveProperty('deviceId');
    clock.advance(59_000);
    expect(source.list()).toMatchObject([{ isStale: false }]);
    clock.advance(1000);
    expect(source.list()).toMatchObject([{ isStale: true }]);
    clock.advance(119_000);
    expect(source.list()).toHaveLength(1);
    clock.advance(1000);
    expect(source.list()).toEqual([]);
  });

  it('use the other address when the same device answers there, and ask once', async () => {
    const { hear, urls, asked, clock, source } = registrations();
    hear('192.168.1.7', { ipv6: '2001:db8:1::7' });
    await until(1000, 'the other address', () => urls().length === 2);
    expect(urls()[1]).toBe('http://[2001:db8:1::7]:11435');
    expect(source.list()).toMatchObject([{ otherUrl: 'http://[2001:db8:1::7]:11435' }]);
    clock.advance(30_000);
    hear('192.168.1.7', { ipv6: '2001:db8:1::7' });
    expect([urls().length, asked.length]).toEqual([4, 1]);
  });

  it('do not go where a peer sends them', async () => {
    const { hear, urls, asked, clock } = registrations(() => false);
    for (const ipv4 of ['127.0.0.1', '169.254.169.254', '224.0.0.1', '8.8.8.8', '192.168.1.5'])
      hear('2001:db8:1::7', { ipv4 });
    expect(asked).toEqual([]);
    clock.advance(1000);
    hear('2001:db8:1::7', { ipv4: '192.168.1.66' });
    // Somebody else answers there; and however many addresses are named, no more are looked at.
    for (let i = 67; i < 70; i++) hear('2001:db8:1::7', { ipv4: `192.168.1.${i}` });
    await until(1000, 'the look', () => asked.length === 1);
    expect(new Set(urls())).toEqual(new Set(['http://[2001:db8:1::7]:11435']));
  });

  it('are bounded: beats of an address, servers of an address, servers', () => {
    const { hear, clock, source } = registrations();
    const status = (from: string, port: number) => {
      try {
        hear(from, { port });
        return 200;
      } catch (error) {
        return (error as { status: number }).status;
      }
    };
    expect(Array.from({ length: 6 }, () => status('10.0.0.1', 1)).filter((one) => one === 429)).toHaveLength(
      1,
    );
    clock.advance(1000);
    const ports = Array.from({ length: 17 }, (_, i) => {
      clock.advance(300);
      return status('10.0.0.2', i + 1);
    });
    expect([ports.slice(0, 16).every((one) => one === 200), ports[16]]).toEqual([true, 503]);
    for (let i = 0; i < 300; i++) status(`10.1.${i >> 8}.${i & 255}`, 1);
    expect(source.list()).toHaveLength(256);
    expect(status('10.2.0.1', 1)).toBe(503);
    expect(status('10.1.0.1', 1)).toBe(200); // Who is in, stays in.
    clock.advance(180_000);
    expect(status('10.2.0.1', 1)).toBe(200);
    expect(() => hear('fe80::1%eth0')).toThrow(/link-local/);
  });
});
