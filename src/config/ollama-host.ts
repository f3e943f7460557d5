import { isIP, isIPv6 } from 'node:net';
import { parseBaseUrl } from './base-url.ts';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' };

/**
 * The base URL that a value of OLLAMA_HOST means to an Ollama client (Ollama's `envconfig.Host`):
 * `host`, `host:port`, `:port`, `http://host` (80), `https://host` (443), IPv6 in brackets or bare, surrounding
 * quotes and blanks ignored, a path kept. "All addresses" is what a server listens on; to connect, it is this
 * machine. Returned without trailing slash. Throws RangeError for what cannot be a URL.
 *
 * `badPort` says what a port that is none means: Ollama quietly takes the default, a value typed for ollana
 * is refused.
 */
export function parseOllamaHost(text: string, badPort: 'default' | 'refuse' = 'default'): string {
  const value = text.trim().replace(/^["']+|["']+$/g, '');
  const [, prefix, rest = ''] = /^(?:([^:/]*):\/\/)?(.*)$/s.exec(value) ?? [];
  const scheme = prefix?.toLowerCase() ?? (value === 'ollama.com' ? 'https' : 'http');
  const fallbackPort =
    (prefix === undefined && value !== 'ollama.com' ? undefined : DEFAULT_PORTS[scheme]) ?? '11434';
  const slash = rest.indexOf('/');
  const hostPort = slash < 0 ? rest : rest.slice(0, slash);
  const path = slash < 0 ? '' : rest.slice(slash);
  const { host, port } = splitHostPort(hostPort);
  const usable = /^\d{1,5}$/.test(port) && Number(port) <= 65_535;
  if (!usable && port !== '' && badPort === 'refuse')
    throw new RangeError('give a host and a port from 1 to 65535, such as 127.0.0.1:11434');
  return parseBaseUrl(`${scheme}://${authorityHost(host)}:${usable ? port : fallbackPort}${path}`);
}

function splitHostPort(hostPort: string): { host: string; port: string } {
  if (isIPv6(hostPort)) return { host: hostPort, port: '' };
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/s.exec(hostPort) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new RangeError('give host:port, such as 127.0.0.1:11434, IPv6 in brackets');
  return { host, port };
}

function authorityHost(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1';
  if (isIP(host) !== 6) return host;
  // `URL` knows no zones, and no address with one is all addresses.
  if (host.includes('%')) return `[${host}]`;
  return new URL(`http://[${host}]`).hostname === '[::]' ? '[::1]' : `[${host}]`;
}
