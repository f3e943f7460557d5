/*
 * One side of discovery as a process of its own, for the lab: `_beacon-host.ts client|server OPTIONS`, with options
 * as JSON. Prints a JSON line for each sighting and notice, and `ready` after the start; each line on its standard
 * input is the name of what to do: `refresh`, `silent`, `speak`, `stop`.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/clock.ts';
import { BeaconClient } from '../../src/discovery/beacon-client.ts';
import { BeaconServer } from '../../src/discovery/beacon-server.ts';

const [role = '', given = '{}'] = process.argv.slice(2);
const print = (type: string) => (value: object) =>
  console.log(JSON.stringify({ [type]: { ...value, at: Date.now() } }));
const common = {
  port: 11436,
  httpPort: 11435,
  interfaces: [],
  clock: systemClock,
  onNotice: print('notice'),
};
const options = { ...common, ...(JSON.parse(given) as object) };

const client =
  role === 'client' ? new BeaconClient({ ...options, onSighting: print('sighting') }) : undefined;
const server =
  role === 'server'
    ? new BeaconServer({ defaultHttpPort: 11435, deviceId: 'a'.repeat(64), name: 'gpu1', ...options })
    : undefined;
const beacon = client ?? server;
await beacon?.start();
print('ready')({});

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'refresh') client?.refresh();
  if (line === 'silent' || line === 'speak') server?.setSpeaking(line === 'speak');
  if (line === 'stop') break;
}
process.stdin.destroy();
await beacon?.[Symbol.asyncDispose]();
