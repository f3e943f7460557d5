import { systemClock } from '../src/clock.ts';
import { BeaconClient, type BeaconClientOptions } from '../src/discovery/beacon-client.ts';
import { BeaconServer, type BeaconServerOptions } from '../src/discovery/beacon-server.ts';
import { deviceId, LOOPBACK, Sightings } from './_beacon.ts';

/** The four bytes of the first ollana, as hex: its question, and the answer to it. */
export const LANA = '4c414e41';

/** Where everybody on loopback is reached. */
export const ALL = '127.255.255.255';

/** The side that looks for servers, on loopback, and what it has reported. */
export function client(port: number, options: Partial<BeaconClientOptions> = {}) {
  const sightings = new Sightings();
  const beacon = new BeaconClient({
    port,
    httpPort: 11435,
    interfaces: [LOOPBACK],
    clock: systemClock,
    onSighting: sightings.add,
    ...options,
  });
  return { beacon, sightings };
}

/** The side that is found, as device aaaa... called gpu1, on loopback. */
export function server(port: number, options: Partial<BeaconServerOptions> = {}) {
  return new BeaconServer({
    port,
    httpPort: 11435,
    defaultHttpPort: 11435,
    deviceId: deviceId('a'),
    name: 'gpu1',
    interfaces: [LOOPBACK],
    clock: systemClock,
    ...options,
  });
}
