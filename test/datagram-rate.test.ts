import { expect, test } from 'vitest';
import { Audience } from '../src/discovery/audience.ts';
import { Hearing } from '../src/discovery/hearing.ts';
import { MdnsGate } from '../src/discovery/mdns-gate.ts';
import { MDNS_PORT } from '../src/discovery/mdns-records.ts';
import type { DiscoveryTraffic } from '../src/discovery/traffic.ts';
import { deviceId, ManualClock, Sightings } from './_beacon.ts';

const ETH = { name: 'eth0', address: '10.0.0.1', broadcast: '10.0.0.255', internal: false } as never;

function counter() {
  const seen: DiscoveryTraffic[] = [];
  return {
    onTraffic: (traffic: DiscoveryTraffic) => void seen.push(traffic),
    refused: () => seen.splice(0).map(({ by, direction }) => `${by} ${direction}`),
  };
}

test('what one server announces beyond its rate is counted as refused, and is no sighting', () => {
  const { onTraffic, refused } = counter();
  const sightings = new Sightings();
  const hearing = new Hearing({
    clock: new ManualClock(),
    httpPort: 11435,
    onSighting: sightings.add,
    onUnexplained: () => {},
    onTraffic,
  });
  const speaker = { httpPort: 11500, deviceId: deviceId('a'), name: 'gpu1' };
  for (let n = 0; n < 20; n += 1) hearing.announcement('10.0.0.7', speaker);
  expect(sightings.all).toHaveLength(8);
  expect(refused()).toEqual(Array.from({ length: 12 }, () => 'beacon refused'));
});

test('who asks from more ports than are answered in a second is counted as refused, who repeats himself is not', () => {
  const { onTraffic, refused } = counter();
  const audience = new Audience({ clock: new ManualClock(), isDefaultPort: true, send: () => {}, onTraffic });
  const ask = (port: number) =>
    audience.heard({ kind: 'query', nonce: '0102030405060708' }, { address: '10.0.0.7', port }, ETH);
  for (const port of [1, 1, 2, 2]) ask(port);
  expect(refused()).toEqual([]);
  for (const port of [3, 4]) ask(port);
  expect(refused()).toEqual(['beacon refused', 'beacon refused']);
});

test('packets of mDNS beyond the rate are counted as refused, those of others are not', () => {
  const { onTraffic, refused } = counter();
  const gate = new MdnsGate(new ManualClock(), onTraffic);
  const near = {
    interfaceTo: () => 'eth0',
    isHere: () => false,
    addresses: new Map<string, readonly string[]>(),
  } as never;
  const ours = Buffer.concat([Buffer.alloc(12), Buffer.from('_ollana')]);
  const others = Buffer.concat([Buffer.alloc(12), Buffer.from('_airplay')]);
  const from = { address: '10.0.0.7', port: MDNS_PORT };
  for (let n = 0; n < 30; n += 1) gate.lets(others, from, 'eth0', near);
  expect(refused()).toEqual([]);
  for (let n = 0; n < 30; n += 1) gate.lets(ours, from, 'eth0', near);
  expect(refused()).toEqual(Array.from({ length: 10 }, () => 'mdns refused'));
});
