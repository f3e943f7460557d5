import { addressOf } from '../config/host.ts';
import type { ServerFacts } from './pool.ts';

/**
 * The server that somebody means by its name, its URL, its id or, if nobody is called so, its `host:port`, without regard
 * to case; undefined when there is none. Pure.
 */
export function serverNamed<T extends Pick<ServerFacts, 'name' | 'url' | 'deviceId'>>(
  text: string,
  servers: readonly T[],
): T | undefined {
  const wanted = text.trim().toLowerCase();
  return (
    servers.find(({ name, url, deviceId }) =>
      [name.toLowerCase(), url.toLowerCase(), deviceId].includes(wanted),
    ) ?? servers.find(({ url }) => addressOf(url).shown.toLowerCase() === wanted)
  );
}
