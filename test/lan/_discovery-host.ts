/*
 * One side of discovery as a process of its own, for the lab: `_discovery-host.ts udp|mdns client|server OPTIONS`,
 * with options as JSON; `hasty` among
 * them gives it a clock by which no two packets come within a second. Prints a JSON line for each sighting and notice, and `ready` after the start; each line on its
 * standard input is the name of what to do: `refresh`, `silent`, `speak`, `stop`.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/clock.ts';
import { BeaconClient } from '../../src/discovery/beacon-client.ts';
import { BeaconServer } from '../../src/discovery/beacon-server.ts';
import { MdnsAdvertiser } from '../../src/discovery/mdns-advertiser.ts';
import { MdnsBrowser } from '../../src/discovery/mdns-browser.ts';
import { HastyClock } from '../_hostile.ts';

const [kind = '', role = '', given = '{}'] = process.argv.slice(2);
const print = (type: string) => (value: object) =>
  console.log(JSON.stringify({ [type]: { ...value, at: Date.now() } }));
const { hasty = false, ...more } = JSON.parse(given) as { readonly hasty?: boolean };
const options = {
  httpPort: 11435,
  interfaces: [],
  clock: hasty ? new HastyClock() : systemClock,
  onNotice: print('notice'),
  ...more,
};
const udp = { port: 11436, ...options };
const own = { deviceId: 'a'.repeat(64), name: 'gpu1', ...options };
const onSighting = print('sighting');

const SIDES = {
  'udp client': () => ({ client: new BeaconClient({ ...udp, onSighting }) }),
  'udp server': () => ({ server: new BeaconServer({ defaultHttpPort: 11435, ...udp, ...own }) }),
  'mdns client': () => ({ client: new MdnsBrowser({ ...options, onSighting }) }),
  'mdns server': () => ({ server: new MdnsAdvertiser({ host: '0.0.0.0', version: '1.0.0', ...own }) }),
};
const side: { client?: BeaconClient | MdnsBrowser; server?: BeaconServer | MdnsAdvertiser } =
  SIDES[`${kind} ${role}` as keyof typeof SIDES]();
const either = side.client ?? side.server;
await either?.start();
print('ready')({});

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'refresh') side.client?.refresh();
  if (line === 'silent' || line === 'speak') side.server?.setSpeaking(line === 'speak');
  if (line === 'stop') break;
}
process.stdin.destroy();
await either?.[Symbol.asyncDispose]();
