import { expect, test } from 'vitest';
import { MdnsGate } from '../src/discovery/mdns-gate.ts';
import { Neighbourhood } from '../src/discovery/mdns-near.ts';
import { MDNS_PORT } from '../src/discovery/mdns-records.ts';
import { ManualClock } from './_beacon.ts';
import { HOME, info, recordsOf, responseOf } from './_mdns.ts';

const near = new Neighbourhood({ ...HOME, wlan0: [info('10.0.0.6/24')] }, []);
const packet = responseOf(recordsOf());
const printer = Buffer.from(packet.toString('latin1').replaceAll('ollana', 'print1'), 'latin1');
const shouting = Buffer.from(packet.toString('latin1').replaceAll('ollana', 'OLLANA'), 'latin1');

function counting(records: number): Buffer {
  const bytes = Buffer.from(packet);
  bytes.writeUInt16BE(records, 8);
  return bytes;
}

test.each([
  ['a host of the network', packet, '10.0.0.7', 'eth0', true],
  ['another process here', packet, '127.0.0.1', 'lo', true],
  ['another process here by the same interface', packet, '10.0.0.5', 'eth0', true],
  ['what we say by another interface into the same network', packet, '10.0.0.6', 'eth0', false],
  ['a host of another network', packet, '10.9.0.7', 'eth0', false],
  ['the right host by the wrong interface', packet, '10.0.0.7', 'lo', false],
  ['what is about another service', printer, '10.0.0.7', 'eth0', false],
  ['our service in capitals', shouting, '10.0.0.7', 'eth0', true],
  ['half a header', packet.subarray(0, 11), '10.0.0.7', 'eth0', false],
  ['nothing', Buffer.alloc(0), '10.0.0.7', 'eth0', false],
  ['more than mDNS allows', Buffer.alloc(9001), '10.0.0.7', 'eth0', false],
  ['thousands of records', counting(65_535), '10.0.0.7', 'eth0', false],
  ['many records', counting(90), '10.0.0.7', 'eth0', true],
])('%s: looked at or not', (_, bytes, from, by, lets) => {
  const remote = { address: from, port: MDNS_PORT };
  expect(new MdnsGate(new ManualClock()).lets(bytes, remote, by, near)).toBe(lets);
});

test('one host has twenty packets a second, all of them a hundred', () => {
  const clock = new ManualClock();
  const gate = new MdnsGate(clock);
  const lets = (address: string) => gate.lets(packet, { address, port: MDNS_PORT }, 'eth0', near);
  expect(Array.from({ length: 100 }, () => lets('10.0.0.7')).filter(Boolean)).toHaveLength(20);
  expect(lets('10.0.0.8')).toBe(true);
  for (let i = 10; i < 110; i++) for (let n = 0; n < 20; n++) lets(`10.0.0.${i}`);
  expect(lets('10.0.0.200')).toBe(false);
  clock.advance(1000);
  expect(lets('10.0.0.7')).toBe(true);
});

test('who asks by another port is answered himself, with more than he sent: once a second', () => {
  const clock = new ManualClock();
  const gate = new MdnsGate(clock);
  const lets = (port: number) => gate.lets(packet, { address: '10.0.0.7', port }, 'eth0', near);
  expect([lets(40_000), lets(40_001), lets(53), lets(MDNS_PORT)]).toEqual([true, false, false, true]);
  clock.advance(1000);
  expect(lets(40_000)).toBe(true);
});
