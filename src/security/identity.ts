import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { makeFileOnce } from '../config/private-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';

const FILE = 'device-id';

/**
 * This installation's DeviceId, 64 lower-case hex digits, made on first need in the data directory. Two
 * processes that start at once agree on one. Throws `OLLANA_UNREADABLE_FILE` when the directory cannot be
 * used or the file holds something else.
 */
export function loadDeviceId(dataDir: string): string {
  const path = join(dataDir, FILE);
  try {
    ensurePrivateDir(dataDir, 'name another with --data-dir DIR');
    makeFileOnce(path, () => `${randomBytes(32).toString('hex')}\n`);
    const id = readFileSync(path, 'utf8').trim();
    if (/^[0-9a-f]{64}$/.test(id)) return id;
  } catch (cause) {
    if (cause instanceof OllanaError) throw cause;
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot use the data directory ${dataDir} (${reasonOf(cause)}); name a writable one with --data-dir`,
      { cause },
    );
  }
  throw new OllanaError(
    'OLLANA_UNREADABLE_FILE',
    `${path} does not hold a device id (64 hex digits); remove it and a new one is made`,
  );
}
