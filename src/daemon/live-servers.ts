import type { Cancel } from '../clock.ts';
import type { AddedServers } from '../discovery/added-servers.ts';
import type { OnSighting } from '../discovery/sighting.ts';
import { parseServer, sightingOf } from '../discovery/static.ts';
import type { Reloader } from './reload.ts';

export interface LiveServersOptions {
  readonly reloader: Pick<Reloader, 'onChange'>;
  /** URLs that the configuration claims for good; kept up to date here. */
  readonly fixed: Set<string>;
  /** URLs among these that the configuration claims whatever its list says. */
  readonly always: readonly string[];
  /** Their claim goes on when the configuration's ends. */
  readonly added: Pick<AddedServers, 'servers'>;
  readonly onSighting: OnSighting;
}

/** Claims the servers that the configuration names anew, and ends the claim of those that it no longer names. */
export function followServers({ reloader, fixed, always, added, onSighting }: LiveServersOptions): Cancel {
  return reloader.onChange((now, before) => {
    const old = before.servers.map(parseServer);
    const named = now.servers.map(parseServer);
    const gone = old.filter(({ url }) => !named.some((one) => one.url === url));
    for (const { url } of gone.filter((one) => !always.includes(one.url))) {
      fixed.delete(url);
      const other = added.servers().find((one) => one.url === url);
      onSighting(other ? sightingOf(other) : { source: 'static', url, leaseMs: 0 });
    }
    for (const server of named) {
      fixed.add(server.url);
      const known = old.find(({ url }) => url === server.url);
      if (!known || known.name !== server.name) onSighting(sightingOf(server));
    }
  });
}
