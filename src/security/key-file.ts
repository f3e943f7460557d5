import { join } from 'node:path';
import { withFileLock } from '../config/file-lock.ts';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { giveToDirOwner, readSmallFile, replaceFile } from '../config/private-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { type ApiKey, MAX_KEYS, readKeys, writeKeys } from './api-key.ts';

const FILE = 'keys.json';
/** As many keys as there may be, with all their models, take less. */
export const MAX_KEYS_BYTES = 4 * 1024 * 1024;

/** The file in a data directory that holds what is kept of the keys. */
export function keysFile(dataDir: string): string {
  return join(dataDir, FILE);
}

/** The keys of a data directory; none where there is no file. Rejects with OLLANA_UNREADABLE_FILE. */
export async function loadKeys(dataDir: string): Promise<readonly ApiKey[]> {
  const path = keysFile(dataDir);
  try {
    return readKeys(await readSmallFile(path, MAX_KEYS_BYTES));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot read ${path} (${reasonOf(cause)}): correct it, or remove it and add the keys anew`,
      { cause },
    );
  }
}

/**
 * Changes the keys of a data directory, whole or not at all, for this user only. A running daemon takes it up by itself.
 * Rejects with OLLANA_UNREADABLE_FILE, and with what `change` throws; nothing was changed then.
 */
export async function changeKeys(
  dataDir: string,
  change: (keys: readonly ApiKey[]) => readonly ApiKey[],
): Promise<void> {
  const path = keysFile(dataDir);
  try {
    ensurePrivateDir(dataDir, 'name another with --data-dir DIR');
    await withFileLock(path, async (isHeld) => {
      const keys = change(await loadKeys(dataDir));
      if (keys.length > MAX_KEYS) throw new Error(`there are ${MAX_KEYS} keys already: remove one`);
      if (!(await isHeld()))
        throw new Error('it took too long, and another command has changed it: try again');
      await replaceFile(path, writeKeys(keys));
      giveToDirOwner(path);
    });
  } catch (cause) {
    if (cause instanceof OllanaError && cause.code !== 'OLLANA_START_FAILED') throw cause;
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot change ${path} (${reasonOf(cause)}); nothing was changed`,
      { cause },
    );
  }
}
