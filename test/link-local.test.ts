import type { NetworkInterfaceInfo } from 'node:os';
import { expect, test } from 'vitest';
import { parseBaseUrl } from '../src/config/base-url.ts';
import { addressOf, hostOf, requestTo } from '../src/config/host.ts';
import { type Interfaces, linkTo } from '../src/discovery/interfaces.ts';
import { linkLocalLinks } from '../src/discovery/link-local.ts';
import { bestAddress, type KnownAddress, placeOf } from '../src/fleet/addresses.ts';

const v4 = (address: string, internal = false): NetworkInterfaceInfo => ({
  address,
  netmask: '255.255.255.0',
  family: 'IPv4',
  mac: '00:00:00:00:00:00',
  internal,
  cidr: null,
});
const v6 = (address: string, scopeid = 0, internal = false): NetworkInterfaceInfo => ({
  address,
  netmask: 'ffff:ffff:ffff:ffff::',
  family: 'IPv6',
  mac: '00:00:00:00:00:00',
  internal,
  cidr: null,
  scopeid,
});
const LO = [v4('127.0.0.1', true), v6('::1', 0, true), v6('fe80::1', 1, true)];
const LL = v6('fe80::5', 2);

const used = (interfaces: Interfaces, only: readonly string[] = []) =>
  linkLocalLinks({ lo: LO, ...interfaces }, only).map(
    (link) => `${link.interface}${link.spare ? ' spare' : ''}`,
  );

test.each([
  ['an interface of both families only for news', { eth0: [v4('192.168.1.5'), LL] }, ['eth0 spare']],
  ['one without IPv4 all the time', { eth0: [v6('2001:db8::5'), LL] }, ['eth0']],
  ['one where nobody gave an address', { eth0: [v4('169.254.3.4'), LL] }, ['eth0']],
  ['one with nothing but a link-local address where there is nothing better', { eth0: [LL] }, ['eth0']],
  [
    'no cable of a container, and no tunnel without a network, beside a real one',
    { eth0: [v4('192.168.1.5'), LL], docker0: [v4('172.17.0.1'), LL], veth1: [LL], utun0: [LL] },
    ['eth0 spare', 'docker0 spare'],
  ],
  ['none without a link-local address', { wg0: [v4('10.8.0.2'), v6('fd00::2')], eth0: [v4('10.0.0.2')] }, []],
  ['never loopback', {}, []],
  ['none whose name is no zone to Node', { my_net: [v6('2001:db8::5'), LL] }, []],
])('IPv6 uses %s', (_what, interfaces, expected) => {
  expect(used(interfaces)).toEqual(expected);
});

test('IPv6 uses the named interfaces and no other, whatever they have', () => {
  const all = { eth0: [v4('192.168.1.5'), LL], veth1: [LL] };
  expect(used(all, ['veth1'])).toEqual(['veth1']);
  expect(used(all, ['lo'])).toEqual([]);
});

test('who has IPv4 speaks to those who have none, who speak to everybody and hear both', () => {
  const [both] = linkLocalLinks({ eth0: [v4('192.168.1.5'), LL] }, []);
  const [alone] = linkLocalLinks({ eth0: [LL] }, []);
  expect(both).toMatchObject({
    address: 'fe80::5%eth0',
    broadcast: 'ff12::cc41:4e36%eth0',
    groups: ['ff12::cc41:4e41'],
  });
  expect(alone).toMatchObject({
    broadcast: 'ff12::cc41:4e41%eth0',
    groups: ['ff12::cc41:4e41', 'ff12::cc41:4e36'],
  });
});

test('Windows numbers its zones', () => {
  const [link] = linkLocalLinks({ 'Wi-Fi 2': [v6('fe80::5', 17)] }, [], 'win32');
  expect([link?.interface, link?.address]).toEqual(['Wi-Fi 2', 'fe80::5%17']);
});

test('a machine of hundreds of networks speaks IPv6 on the first 16', () => {
  const all = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`br${i}`, [v6('fd00::1'), LL]]));
  expect(used(all)).toHaveLength(16);
});

test('an address with a zone is on the link of that zone, and on no other', () => {
  const links = linkLocalLinks({ eth0: [LL, v6('fd00::1')], eth1: [LL, v6('fd01::1')] }, []);
  expect(linkTo('fe80::99%eth1', links)?.interface).toBe('eth1');
  expect(linkTo('fe80::99%eth2', links)).toBeUndefined();
  expect(linkTo('fe80::99', links)).toBeUndefined();
});

test('a URL with a zone is dialled with it, shown with it, and asked for without it', () => {
  const url = 'http://[fe80::1%eth0]:11435';
  expect(hostOf(url)).toBe('fe80::1%eth0');
  expect(addressOf(url)).toMatchObject({
    host: '[fe80::1]:11435',
    shown: '[fe80::1%eth0]:11435',
    port: '11435',
    path: '/',
  });
  expect(requestTo(`${url}/api/tags?a=%25`)).toEqual({
    protocol: 'http:',
    hostname: 'fe80::1%eth0',
    port: '11435',
    path: '/api/tags?a=%25',
    headers: { host: '[fe80::1]:11435' },
  });
});

test.each([
  'http://[fe80::1%]:1',
  'http://[fe80::1%eth0',
  'http://[fe80::1%e/h]:1',
  'http://[fe80::1%a@b]:1',
  'http://[2001:db8::1%eth0]:1',
  'http://[fe80::1%eth0]:99999',
  'http://[fe80::xyz%eth0]:1',
])('%s is no URL', (url) => {
  expect(() => addressOf(url)).toThrow(TypeError);
  expect(() => parseBaseUrl(url)).toThrow(RangeError);
});

test('a server can be named by an address with a zone, plain or escaped', () => {
  expect(parseBaseUrl('http://[fe80::1%eth0]:11435/')).toBe('http://[fe80::1%eth0]:11435');
  expect(parseBaseUrl('HTTP://[FE80::1%25en0]:11435/x/')).toBe('http://[fe80::1%en0]:11435/x');
  expect(parseBaseUrl('http://[fe80::1%25]:80')).toBe('http://[fe80::1%25]');
});

test('of equal addresses a link-local one is the last', () => {
  const known = (url: string): KnownAddress => ({ url, place: placeOf(url, {}), rttMs: 1, failed: false });
  const [local, four] = [known('http://[fe80::1%eth0]:11435'), known('http://10.0.0.1:11435')];
  expect(local.place).toBe('link');
  expect(bestAddress(undefined, [local, { ...four, place: 'link' }])).toBe(four.url);
  expect(bestAddress(local.url, [local, { ...four, place: 'link' }])).toBe(four.url);
});
