/*
 * One side of mDNS as a process of its own, for the lab: `_mdns-host.ts client|server OPTIONS`, with options as JSON.
 * Prints a JSON line for each sighting and notice, and `ready` after the start; each line on its standard input is
 * the name of what to do: `refresh`, `silent`, `speak`, `stop`.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/clock.ts';
import { MdnsAdvertiser } from '../../src/discovery/mdns-advertiser.ts';
import { MdnsBrowser } from '../../src/discovery/mdns-browser.ts';

const [role = '', given = '{}'] = process.argv.slice(2);
const print = (type: string) => (value: object) =>
  console.log(JSON.stringify({ [type]: { ...value, at: Date.now() } }));
const common = { interfaces: [], clock: systemClock, onNotice: print('notice') };
const own = { host: '0.0.0.0', httpPort: 11435, deviceId: 'a'.repeat(64), name: 'gpu1', version: '1.0.0' };
const options = JSON.parse(given) as object;

const client =
  role === 'client' ? new MdnsBrowser({ ...common, ...options, onSighting: print('sighting') }) : undefined;
const server = role === 'server' ? new MdnsAdvertiser({ ...common, ...own, ...options }) : undefined;
await (client ?? server)?.start();
print('ready')({});

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'refresh') client?.refresh();
  if (line === 'silent' || line === 'speak') server?.setSpeaking(line === 'speak');
  if (line === 'stop') break;
}
process.stdin.destroy();
await (client ?? server)?.[Symbol.asyncDispose]();
