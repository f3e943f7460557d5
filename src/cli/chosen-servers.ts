import type { ServerStatus, StatusReport } from '../daemon/status.ts';
import { OllanaError } from '../errors.ts';

/**
 * The server that a user means by its name, its URL, its `host:port` or its id, without regard to case. Throws
 * OLLANA_NO_SERVER naming those there are. Pure.
 */
export function chosenServer(on: string, { servers }: StatusReport): ServerStatus {
  const wanted = on.trim().toLowerCase();
  const server =
    servers.find(({ name, url, deviceId }) =>
      [name.toLowerCase(), url.toLowerCase(), deviceId].includes(wanted),
    ) ?? servers.find(({ url }) => url.toLowerCase().replace(/^https?:\/\//, '') === wanted);
  if (server) return server;
  const names = servers
    .map(({ name }) => name)
    .sort()
    .join(', ');
  throw new OllanaError(
    'OLLANA_NO_SERVER',
    `no server is called ${on}: ${names === '' ? 'none has been found yet' : `known are ${names}`}`,
  );
}

/**
 * The servers that `--all` means: every one but this machine's own Ollama, which is only for when there is no
 * other; by name. Throws OLLANA_NO_SERVER when there is none at all. Pure.
 */
export function allServers({ servers }: StatusReport): readonly ServerStatus[] {
  if (servers.length === 0)
    throw new OllanaError(
      'OLLANA_NO_SERVER',
      'no server has been found yet: run `ollana serve` on a GPU machine, or give the daemon --server URL',
    );
  const others = servers.filter(({ kind }) => kind !== 'local');
  return [...(others.length > 0 ? others : servers)].sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** Why there is no use in asking a server: it has never answered. Pure. */
export function neverAnswered({ verdict, latencyMs, reason }: ServerStatus): string | undefined {
  return verdict !== 'reliable' && latencyMs === null
    ? `it does not answer (${reason ?? verdict})`
    : undefined;
}
