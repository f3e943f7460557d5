import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrivateDir } from '../config/private-dir.ts';
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
    if (!existsSync(path)) {
      const draft = `${path}.${process.pid}`;
      writeFileSync(draft, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
      settle(draft, path);
    }
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

/** Makes `draft` the file at `path` unless there is one: the first one made counts. */
function settle(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    // Some file systems have no hard links; there, the last of two that start at once counts.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' && !existsSync(path)) renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}
