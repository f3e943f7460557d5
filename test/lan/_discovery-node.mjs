// All of a machine's discovery and its registry, from the build, without anything that uses what was found: thirty
// whole daemons are too much for one small machine. `_discovery-node.mjs client|server ID NAME udp|both` prints `ready` and,
// for each address in the registry, `found URL AT`, with times as milliseconds since 1970. Plain JavaScript,
// so that it starts in a tenth of a second. Ends, with goodbyes, with its standard input.
import { systemClock } from '../../dist-modules/clock.js';
import { BeaconClient } from '../../dist-modules/discovery/beacon-client.js';
import { BeaconServer } from '../../dist-modules/discovery/beacon-server.js';
import { Registry } from '../../dist-modules/fleet/registry.js';

const [role, deviceId, name, by] = process.argv.slice(2);
const mdns = by === 'both';
const now = () => performance.timeOrigin + performance.now();
const clock = systemClock;
const interfaces = [];
const ownDeviceId = role === 'server' ? deviceId : undefined;
const registry = new Registry({ clock, ownDeviceId });
const found = new Set();
const onSighting = (sighting) => {
  const { url, leaseMs } = sighting;
  // The machine's other networks (loopback, IPv6) lead to the same servers.
  if (!registry.sight(sighting) || leaseMs === 0 || found.has(url) || !url.startsWith('http://10.')) return;
  found.add(url);
  process.stdout.write(`found ${url} ${now()}\n`);
};
const onNotice = (notice) => process.stdout.write(`notice ${JSON.stringify(notice)}\n`);
const own = { deviceId, name, httpPort: 11435, interfaces, clock, onNotice };
const common = { interfaces, clock, onSighting, onNotice, ...(ownDeviceId && { ownDeviceId }) };
const parts = [new BeaconClient({ port: 11436, httpPort: 11435, ...common })];
if (role === 'server') parts.unshift(new BeaconServer({ port: 11436, defaultHttpPort: 11435, ...own }));
if (mdns) {
  // Loading these is most of a start.
  const { MdnsAdvertiser } = await import('../../dist-modules/discovery/mdns-advertiser.js');
  const { MdnsBrowser } = await import('../../dist-modules/discovery/mdns-browser.js');
  if (role === 'server') parts.unshift(new MdnsAdvertiser({ host: '0.0.0.0', version: '1.0.0', ...own }));
  parts.push(new MdnsBrowser(common));
}
for (const part of parts) await part.start();
process.stdout.write(`ready ${now()}\n`);
process.stdin.resume().on('end', async () => {
  await Promise.all(parts.map((part) => part[Symbol.asyncDispose]()));
  process.exit(0);
});
