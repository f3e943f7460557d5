import { rename } from 'node:fs/promises';
import { readSmallFile, replaceFile } from '../config/private-file.ts';
import { parseServerAddress, type ServerAddress } from '../config/server-address.ts';
import { OllanaError, reasonOf } from '../errors.ts';

const VERSION = 1;
/** As many servers as are kept, with the longest URLs, take less. */
const MAX_BYTES = 1024 * 1024;

/** What came of reading the file. */
export interface AddedRead {
  readonly servers: readonly ServerAddress[];
  /** Why the file was not taken, and where it is now; it stayed where it was if `movedTo` is absent. */
  readonly bad?: { readonly reason: string; readonly movedTo?: string };
}

/**
 * Reads the servers that are kept over restarts; at most `most` of them. A file that is not understood is renamed to
 * `<path>.bad-<wall>`, because it may be the only copy of what somebody typed. Never rejects; no file is no server.
 */
export async function readAdded(path: string, most: number, wall: number): Promise<AddedRead> {
  try {
    return { servers: serversIn(await readSmallFile(path, MAX_BYTES), most) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { servers: [] };
    const movedTo = `${path}.bad-${Math.round(wall)}`;
    const isMoved = await rename(path, movedTo).then(
      () => true,
      () => false,
    );
    return { servers: [], bad: { reason: reasonOf(error), ...(isMoved && { movedTo }) } };
  }
}

/**
 * Replaces the file whole or not at all, for this user only. Rejects with OLLANA_UNREADABLE_FILE (status 500), and
 * the old content stays.
 */
export async function writeAdded(path: string, servers: readonly ServerAddress[]): Promise<void> {
  try {
    await replaceFile(path, `${JSON.stringify({ version: VERSION, servers }, null, 2)}\n`);
  } catch (cause) {
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot write ${path} (${reasonOf(cause)}): free space or give ollana the right to write there, or leave the server unkept`,
      { cause },
    );
  }
}

/** All or nothing: a file of which a part makes no sense was edited by hand, or is another one. */
function serversIn(text: string, most: number): readonly ServerAddress[] {
  const { version, servers } = (JSON.parse(text) ?? {}) as { version?: unknown; servers?: unknown };
  if (version !== VERSION || !Array.isArray(servers)) throw new Error('not a file of this version');
  if (servers.length > most) throw new Error(`it has ${servers.length} servers, more than ${most}`);
  return servers.map((row: unknown) => {
    const { url, name } = (row ?? {}) as { url?: unknown; name?: unknown };
    if (typeof url !== 'string') throw new Error('a server in it has no url');
    return parseServerAddress(typeof name === 'string' ? `${url}=${name}` : url);
  });
}
