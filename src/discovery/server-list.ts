import { parseServerAddress, type ServerAddress } from '../config/server-address.ts';
import { reasonOf } from '../errors.ts';

/** What a server file says: its servers by URL in their order, and the lines that were skipped. */
export interface ServerList {
  readonly servers: ReadonlyMap<string, ServerAddress>;
  readonly bad: readonly { readonly line: number; readonly reason: string }[];
}

/** As many servers as nobody types by hand; a longer file is another file. */
const MAX_LINES = 1000;

/**
 * Reads one `URL[=name]` a line; blank lines and lines that begin with `#` are comments. Lines count from 1. Never
 * throws: a bad line is skipped and says why.
 */
export function parseServerList(text: string): ServerList {
  const servers = new Map<string, ServerAddress>();
  const bad: { line: number; reason: string }[] = [];
  // Windows editors begin a file with a byte order mark.
  const lines = text.replace(/^\uFEFF/, '').split('\n', MAX_LINES + 1);
  if (lines.length > MAX_LINES && lines.pop() !== '')
    bad.push({ line: MAX_LINES + 1, reason: `only the first ${MAX_LINES} lines are read` });
  for (const [index, raw] of lines.entries()) {
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) continue;
    try {
      const server = parseServerAddress(content);
      if (servers.has(server.url))
        throw new RangeError(`${server.url} is in the list already; remove one of them`);
      servers.set(server.url, server);
    } catch (error) {
      // The reason may quote the line, and the line may hold anything.
      bad.push({ line: index + 1, reason: reasonOf(error).replace(/\p{C}+/gu, ' ') });
    }
  }
  return { servers, bad };
}
