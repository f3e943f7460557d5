import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { OllanaError, reasonOf } from '../errors.ts';

/**
 * Makes sure that a directory of ours exists; one that is made is for this user only. An existing one keeps its
 * mode: it may be the user's own. Throws OLLANA_START_FAILED; `remedy` is what to do about it.
 */
export function ensurePrivateDir(path: string, remedy: string): void {
  try {
    make(path);
  } catch (error) {
    throw new OllanaError('OLLANA_START_FAILED', `cannot make ${path} (${reasonOf(error)}): ${remedy}`, {
      cause: error,
    });
  }
}

/** Not `recursive: true`: Node 20 never returns from that where the system says ENOENT for good, as in /proc. */
function make(path: string, parentsToo = true): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || !parentsToo || dirname(path) === path) throw error;
    make(dirname(path));
    make(path, false);
  }
}
