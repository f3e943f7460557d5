import type { Clock } from '../clock.ts';
import { type CommonConfig, DEFAULTS } from '../config.ts';
import { BeaconClient } from '../discovery/beacon-client.ts';
import { DnsSrv } from '../discovery/dns-srv.ts';
import { MdnsBrowser } from '../discovery/mdns-browser.ts';
import type { OnNotice } from '../discovery/notice.ts';
import { ServerFile } from '../discovery/server-file.ts';
import type { DiscoverySource, OnSighting } from '../discovery/sighting.ts';
import { StaticServers } from '../discovery/static.ts';
import type { OnTraffic } from '../discovery/traffic.ts';

export interface SourcesOptions {
  readonly config: CommonConfig;
  readonly clock: Clock;
  readonly onSighting: OnSighting;
  readonly onNotice: OnNotice;
  readonly onTraffic?: OnTraffic | undefined;
  /** Sightings of this device are not reported; absent where we are no server. */
  readonly ownDeviceId?: string;
}

/** Everything by which a daemon learns of servers, as configured; not started. Throws OLLANA_BAD_OPTION. */
export function sourcesOf({ config, clock, onSighting, ...rest }: SourcesOptions): DiscoverySource[] {
  const { servers, serverFile, udp, mdns, discoveryPort, interfaces, discover } = config;
  return [
    ...(servers.length > 0 ? [new StaticServers({ servers, onSighting })] : []),
    ...(discover
      ? [new DnsSrv({ names: discover, httpPort: DEFAULTS.port, clock, onSighting, ...rest })]
      : []),
    ...(serverFile ? [new ServerFile({ file: serverFile, clock, onSighting, ...rest })] : []),
    ...(udp
      ? [
          new BeaconClient({
            port: discoveryPort,
            httpPort: DEFAULTS.port,
            interfaces,
            clock,
            onSighting,
            ...rest,
          }),
        ]
      : []),
    ...(mdns ? [new MdnsBrowser({ interfaces, clock, onSighting, ...rest })] : []),
  ];
}
