import { parseBaseUrl } from './base-url.ts';
import { parseName } from './values.ts';

/** A server the user named: where it is, and what to call it (its own name, once known, unless given). */
export interface ServerAddress {
  /** Base URL without trailing slash. */
  readonly url: string;
  readonly name?: string;
}

/**
 * Reads `URL[=name]` or `host:port[=name]`, as `--server` and the lines of a server file have them.
 * A host without a port is refused, not guessed: ollana listens on 11435 and Ollama on 11434.
 * Throws RangeError saying what would be right.
 */
export function parseServerAddress(text: string): ServerAddress {
  // The first '=': names may hold one, the path of a base URL can write it as %3D.
  const cut = text.indexOf('=');
  const where = (cut < 0 ? text : text.slice(0, cut)).trim();
  const url = parseBaseUrl(withScheme(where));
  return cut < 0 ? { url } : { url, name: parseName(text.slice(cut + 1).trim()) };
}

function withScheme(where: string): string {
  if (where.includes('://')) return where;
  if (/:\d+(\/|$)/.test(where)) return `http://${where}`;
  const host = where === '' ? 'gpu1' : where;
  throw new RangeError(`give a URL with its port, such as http://${host.slice(0, 60)}:11435`);
}
