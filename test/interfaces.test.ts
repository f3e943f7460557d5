import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import {
  broadcastAddress,
  type Interfaces,
  linkTo,
  onLink,
  usableLinks,
} from '../src/discovery/interfaces.ts';
import { LinkWatch } from '../src/discovery/link-watch.ts';
import { ManualClock } from './_beacon.ts';

const info = (address: string, netmask: string, internal = false): NetworkInterfaceInfo => ({
  address,
  netmask,
  family: 'IPv4',
  mac: '00:00:00:00:00:00',
  internal,
  cidr: null,
});
const LO = [info('127.0.0.1', '255.0.0.0', true)];
const V6: NetworkInterfaceInfo = {
  ...info('fe80::1', 'ffff:ffff:ffff:ffff::'),
  family: 'IPv6',
  scopeid: 2,
};

test.each([
  ['192.168.1.5/24', '192.168.1.255'],
  ['172.16.32.33/22', '172.16.35.255'],
  ['10.1.2.3/8', '10.255.255.255'],
  ['127.0.0.1/8', '127.255.255.255'],
  ['192.168.1.5/30', '192.168.1.7'],
  ['1.2.3.4/0', '255.255.255.255'],
  ['100.64.0.1/32', '255.255.255.255'], // a tunnel: nobody else on it
  ['10.0.0.0/31', '255.255.255.255'], // two hosts, no broadcast (RFC 3021)
])('the broadcast address of %s is %s', (cidr, broadcast) => {
  expect(broadcastAddress(cidr)).toBe(broadcast);
});

test('the broadcast address follows from a netmask as well', () => {
  expect(broadcastAddress('172.16.32.33', '255.255.252.0')).toBe('172.16.35.255');
  expect(broadcastAddress('192.168.1.5', '255.255.255.255')).toBe('255.255.255.255');
});

test.each([['fe80::1/64'], ['192.168.1.5'], ['192.168.1.5/33'], ['192.168.1/24'], ['/24'], ['']])(
  '%s has no broadcast address',
  (text) => {
    expect(() => broadcastAddress(text)).toThrow(RangeError);
  },
);

test('a netmask with holes has no broadcast address', () => {
  expect(() => broadcastAddress('192.168.1.5', '255.0.255.0')).toThrow(RangeError);
});

test('links are the IPv4 addresses, loopback first', () => {
  const links = usableLinks(
    { eth0: [V6, info('192.168.1.5', '255.255.255.0')], lo: LO, down: undefined },
    [],
  );
  expect(links).toEqual([
    { interface: 'lo', address: '127.0.0.1', prefix: 8, broadcast: '127.255.255.255', internal: true },
    { interface: 'eth0', address: '192.168.1.5', prefix: 24, broadcast: '192.168.1.255', internal: false },
  ]);
});

test('only the named interfaces are used, their aliases with them', () => {
  const all: Interfaces = {
    lo: LO,
    eth0: [info('192.168.1.5', '255.255.255.0')],
    'eth0:1': [info('10.0.0.5', '255.0.0.0')],
    eth1: [info('172.16.0.5', '255.255.0.0')],
  };
  const names = (only: string[]) => usableLinks(all, only).map((link) => link.interface);
  expect(names(['eth0'])).toEqual(['eth0', 'eth0:1']);
  expect(names(['lo'])).toEqual(['lo']);
  expect(names(['wlan9'])).toEqual([]);
});

test('a network that another interface is on too is not broadcast to by its address', () => {
  const all = { eth0: [info('192.168.1.5', '255.255.255.0')], wlan0: [info('192.168.1.6', '255.255.255.0')] };
  expect(usableLinks(all, ['wlan0'])[0]?.broadcast).toBe('255.255.255.255');
});

test('a further address on the loopback interface is no link', () => {
  const all = { lo: [...LO, info('10.255.255.254', '255.255.255.255', true)] };
  expect(usableLinks(all, []).map((link) => link.address)).toEqual(['127.0.0.1']);
});

test('a host of hundreds of networks speaks on the first 64', () => {
  const all = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`br${i}`, [info(`10.${i % 256}.${i >> 8}.1`, '255.255.255.0')]]),
  );
  expect(usableLinks({ ...all, lo: LO }, [])).toHaveLength(64);
});

test.each([
  ['192.168.1.77', 'eth0'],
  ['192.168.1.5', 'eth0'],
  ['127.3.2.1', 'lo'],
  ['192.168.1.255', undefined],
  ['192.168.1.0', undefined],
  ['192.168.2.1', undefined],
  ['8.8.8.8', undefined],
  ['0.0.0.0', undefined],
  ['fe80::1', undefined],
  ['', undefined],
])('%s is on the link %s', (address, name) => {
  const links = usableLinks({ eth0: [info('192.168.1.5', '255.255.255.0')], lo: LO }, []);
  expect(linkTo(address, links)?.interface).toBe(name);
  expect(onLink(address, links)).toBe(name !== undefined);
});

test('the watch tells of links that come, go and change, and of nothing else', () => {
  const clock = new ManualClock();
  let current: Interfaces = { lo: LO };
  const events: string[] = [];
  const watch = new LinkWatch({
    interfaces: [],
    clock,
    onEvent: (event) => events.push(event),
    read: () => current,
  });
  watch.start();
  clock.advance(10_000);
  expect(events).toEqual([]);
  current = { lo: LO, eth0: [info('192.168.1.5', '255.255.255.0')] };
  clock.advance(1000);
  expect(events).toEqual(['changed']);
  expect(watch.links).toHaveLength(2);
  current = { lo: LO, eth0: [info('192.168.1.6', '255.255.255.0')] };
  clock.advance(1000);
  current = { lo: LO };
  clock.advance(1000);
  expect(events).toEqual(['changed', 'changed', 'changed']);
  watch[Symbol.dispose]();
  expect(clock.pending).toBe(0);
});

test('the watch notices that the machine slept, and not that it was busy', () => {
  const clock = new ManualClock();
  const events: string[] = [];
  using watch = new LinkWatch({
    interfaces: [],
    clock,
    onEvent: (event) => events.push(event),
    read: () => ({ lo: LO }),
  });
  watch.start();
  clock.jumpWall(4000);
  clock.advance(1000);
  expect(events).toEqual([]);
  clock.jumpWall(5500);
  clock.advance(1000);
  expect(events).toEqual(['woke']);
});

test('a system that refuses the list of interfaces leaves the last one standing', () => {
  const clock = new ManualClock();
  let fails = false;
  const events: string[] = [];
  const read = () => {
    if (fails) throw new Error('uv_interface_addresses returned Unknown system error 13');
    return { lo: LO };
  };
  using watch = new LinkWatch({ interfaces: [], clock, onEvent: (event) => events.push(event), read });
  watch.start();
  fails = true;
  clock.advance(3000);
  expect([watch.links.length, events]).toEqual([1, []]);
});
