import { expect, test } from 'vitest';
import { Neighbourhood } from '../src/discovery/mdns-near.ts';
import { HOME, info } from './_mdns.ts';

const home = new Neighbourhood(HOME, []);

test('each interface is spoken on by IPv4, and by IPv6 where it has a zone', () => {
  expect(home.places).toEqual([
    { interface: 'lo', family: 'IPv4', address: '127.0.0.1' },
    { interface: 'eth0', family: 'IPv4', address: '10.0.0.5' },
    { interface: 'eth0', family: 'IPv6', address: '::%eth0' },
  ]);
  expect([...home.addresses]).toEqual([
    ['lo', ['127.0.0.1', '::1']],
    ['eth0', ['10.0.0.5', 'fd00:1::5']],
  ]);
});

test('loopback alone is loopback alone', () => {
  const lo = new Neighbourhood(HOME, ['lo']);
  expect(lo.places).toEqual([{ interface: 'lo', family: 'IPv4', address: '127.0.0.1' }]);
  for (const address of ['10.0.0.7', 'fd00:1::7', 'fe80::7%eth0'])
    expect(lo.interfaceTo(address)).toBeUndefined();
});

test.each([
  ['10.0.0.7', 'eth0'],
  ['127.0.0.9', 'lo'],
  ['::1', 'lo'],
  ['fd00:1::7', 'eth0'],
  ['fe80::7%eth0', 'eth0'],
  ['10.0.1.7', undefined],
  ['10.0.0.255', undefined],
  ['fd00:2::7', undefined],
  ['fe80::7', undefined],
  ['fe80::7%eth1', undefined],
  ['::ffff:10.0.0.7', undefined],
  ['::ffff:a00:7', undefined],
  ['gpu1', undefined],
  ['', undefined],
])('%s comes by %s', (address, name) => {
  expect(home.interfaceTo(address)).toBe(name);
});

test.each([
  ['10.0.0.7', '10.0.0.8', true],
  ['fd00:1::7', '10.0.0.8', true],
  ['8.8.8.8', '10.0.0.8', false],
  ['2001:db8::1', '10.0.0.8', false],
  ['fe80::7', 'fe80::7%eth0', false],
  // What runs on this machine is said by this machine.
  ['127.0.0.1', '10.0.0.8', false],
  ['::1', '10.0.0.8', false],
  ['10.0.0.5', '10.0.0.8', false],
  ['fd00:1::5', '10.0.0.8', false],
  ['10.0.0.5', '10.0.0.5', true],
  ['127.0.0.1', '127.0.0.1', true],
])('that a server is at %s may be said by %s: %s', (address, from, may) => {
  expect(home.mayName(address, from)).toBe(may);
});

test('an interface that has no address for a URL is left alone; a host of many is spoken on in part', () => {
  const veth = new Neighbourhood({ ...HOME, veth1: [info('fe80::9/64', 7)] }, []);
  expect(veth.places).toEqual(home.places);
  const many = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`br${i}`, [info(`10.1.${i}.1/24`)]]));
  expect(new Neighbourhood(many, []).places).toHaveLength(16);
});

test('a tunnel that claims the whole world is no network', () => {
  const tunnel = new Neighbourhood({ ...HOME, tun0: [info('10.8.0.2/0'), info('fd99::2/0')] }, []);
  for (const address of ['8.8.8.8', '2001:db8::1']) expect(tunnel.interfaceTo(address)).toBe(undefined);
});

test('Windows numbers its zones', () => {
  const windows = new Neighbourhood({ Ethernet: [info('10.0.0.5/24'), info('fe80::5/64', 12)] }, [], 'win32');
  expect(windows.places[1]).toEqual({ interface: 'Ethernet', family: 'IPv6', address: '::%12' });
  expect(windows.interfaceTo('fe80::7%12')).toBe('Ethernet');
});
