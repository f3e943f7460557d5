import type { ServerStatus, StatusReport } from '../daemon/status.ts';
import { OllanaError } from '../errors.ts';
import { serverNamed } from '../fleet/server-named.ts';

/** What to do where nobody is known. */
const HOW_TO_BE_FOUND = 'run `ollana serve` on a GPU machine, or give the daemon --server URL';

/**
 * The server that a user means by its name, its URL, its `host:port` or its id, without regard to case. Throws
 * OLLANA_NO_SERVER naming those there are and what to do. Pure.
 */
export function chosenServer(on: string, report: StatusReport): ServerStatus {
  const server = serverNamed(on, report.servers);
  if (server) return server;
  const others = whoElse(on.trim().toLowerCase(), report);
  throw new OllanaError('OLLANA_NO_SERVER', `no server is called ${on}: ${others}`);
}

function whoElse(wanted: string, { name, servers }: StatusReport): string {
  const known = [...servers]
    .sort((a, b) => a.name.localeCompare(b.name, 'en'))
    .map((server) => (neverAnswered(server) === undefined ? server.name : `${server.name} (does not answer)`))
    .join(', ');
  // In client mode the machine's own Ollama is listed only while it answers.
  if (wanted === name.toLowerCase())
    return `that is this machine, and no Ollama answers on it: start one, or see \`ollana doctor\`; ${known === '' ? 'no other server has been found' : `known are ${known}`}`;
  return known === ''
    ? `none at all has been found yet: ${HOW_TO_BE_FOUND}`
    : `known are ${known}; \`ollana discover\` shows who is heard`;
}

/**
 * The servers that `--all` means: every one but this machine's own Ollama, which is only for when there is no
 * other; by name. Throws OLLANA_NO_SERVER when there is none at all. Pure.
 */
export function allServers({ servers }: StatusReport): readonly ServerStatus[] {
  if (servers.length === 0)
    throw new OllanaError('OLLANA_NO_SERVER', `no server has been found yet: ${HOW_TO_BE_FOUND}`);
  const others = servers.filter(({ kind }) => kind !== 'local');
  return [...(others.length > 0 ? others : servers)].sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** Why there is no use in asking a server: it has never answered. Pure. */
export function neverAnswered({ verdict, latencyMs, reason }: ServerStatus): string | undefined {
  return verdict !== 'reliable' && latencyMs === null
    ? `it does not answer (${reason ?? verdict})`
    : undefined;
}
