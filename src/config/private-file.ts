import { chownSync, existsSync, linkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { chmod, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** For this user only. */
const MODE = 0o600;

/**
 * Reads a text file of ours that is `maxBytes` at most. Rejects with what the file system says (`code` ENOENT where
 * there is none), or an Error that says why it cannot be one of ours.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<string> {
  // Looked at before it is opened: opening a pipe waits for its writer.
  const found = await stat(path);
  if (!found.isFile()) throw new Error('not a regular file');
  if (found.size > maxBytes) throw new Error(`it has ${found.size} bytes, more than ${maxBytes}`);
  return readFile(path, 'utf8');
}

/**
 * Replaces a file whole or not at all, for this user only. Rejects with what the file system says; the old content
 * stays then. Not twice at once for the same file.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeFile(draft, text, { mode: MODE });
    // A draft left by a process that died keeps the mode it had.
    await chmod(draft, MODE);
    await rename(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => {});
    throw error;
  }
}

/**
 * Makes a file, whole, for this user only, unless there is one: of two processes that start at once the first counts.
 * `text` is asked for only if there is none. Throws what the file system says.
 */
export function makeFileOnce(path: string, text: () => string): void {
  if (existsSync(path)) return;
  const draft = draftOf(path);
  try {
    rmSync(draft, { force: true }); // Left by a process that was killed; its mode may be any.
    writeFileSync(draft, text(), { mode: MODE, flag: 'wx' });
    settle(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Has a file of ours belong to whoever owns its directory: root may type a command for a daemon that runs as another
 * user, who is to read it. Throws what the file system says.
 */
export function giveToDirOwner(path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  if (uid !== 0) chownSync(path, uid, gid);
}

function settle(draft: string, path: string): void {
  try {
    linkSync(draft, path);
  } catch (error) {
    // Some file systems have no hard links; there, the last of two that start at once counts.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' && !existsSync(path)) renameSync(draft, path);
  }
}

function draftOf(path: string): string {
  return `${path}.${process.pid}`;
}
