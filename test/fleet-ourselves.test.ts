import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { Fleet } from '../src/fleet/fleet.ts';
import { PLAIN } from '../src/security/dial.ts';
import { PathAgent } from '../src/security/path-agent.ts';
import { ManualClock } from './_beacon.ts';
import { listenOn } from './_cluster-upstream.ts';
import { until } from './_deadline.ts';

const OURS = 'a'.repeat(64);
const OTHER = 'b'.repeat(64);

it('an address at which we meet ourselves is asked once a minute and told of once, however often DNS names it', async () => {
  let asked = 0;
  let deviceId = OURS;
  await using address = await listenOn(
    createServer((request, response) => {
      if (request.url !== '/after') asked += 1;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ mode: 'server', deviceId, name: 'me', version: '0.17.4' }));
    }),
  );
  const clock = new ManualClock();
  const told: string[] = [];
  using fleet = new Fleet({
    ownDeviceId: OURS,
    clock,
    agent: new PathAgent({}, PLAIN),
    connectTimeoutMs: 1000,
    emit: (event) => void told.push(event.type),
  });
  const sight = (more = {}) => fleet.sight({ source: 'dns', url: address.url, leaseMs: 15_000, ...more });
  sight();
  await until(2000, 'it to be asked', () => told.length === 1);
  for (let i = 0; i < 11; i += 1) {
    sight();
    clock.advance(5000);
  }
  // A question that had been sent would have come before this one.
  await (await fetch(`${address.url}/after`)).text();
  expect([asked, told]).toEqual([1, ['address-refused']]);
  expect(fleet.addresses()).toEqual([]);

  clock.advance(5000);
  sight();
  await until(2000, 'it to be asked again', () => asked === 2);
  await until(2000, 'it to be forgotten again', () => fleet.addresses().length === 0);
  expect(told).toEqual(['address-refused']);

  // Another machine has got the address, and says so.
  deviceId = OTHER;
  sight({ deviceId: OTHER });
  await until(2000, 'the other one', () => told.includes('server-joined'));
});
