import { constants, type Stats } from 'node:fs';
import { access, chmod, chown, readFile, realpath, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OllanaError, reasonOf } from '../errors.ts';
import { MAX_CONFIG_BYTES } from './file.ts';
import { withFileLock } from './file-lock.ts';
import { ensurePrivateDir } from './private-dir.ts';

/**
 * Changes the user's `config.toml`: `change` gets its text, empty where there is none, and gives the new one; it may
 * throw, and nothing is changed then. The file is replaced whole or not at all, keeps its mode and owner, and stays
 * where a link to it points. Resolves with what `then` gives, which runs before anybody else can change the file.
 * Rejects with OLLANA_UNREADABLE_FILE (409) where it cannot be read or written, and with what the two throw.
 */
export async function changeConfigFile<T>(
  path: string,
  change: (text: string) => string,
  then: () => T,
): Promise<T> {
  const real = await atFile(path, 'read', () => realpath(path).catch(orMissing(path)));
  await atFile(path, 'write', async () => ensurePrivateDir(dirname(real), 'make it yourself'));
  const work = async (isHeld: () => Promise<boolean>) => {
    const found = await atFile(path, 'read', () => stat(real).catch(orMissing(undefined)));
    const text = found ? await atFile(path, 'read', () => readWhole(real, found)) : '';
    const next = change(text);
    if (next !== text) await atFile(path, 'write', () => replace(real, found, next, isHeld));
    return { value: then() };
  };
  const { value } = await atFile(path, 'write', () => withFileLock(real, work));
  return value;
}

async function readWhole(path: string, found: Stats): Promise<string> {
  if (!found.isFile()) throw new Error('not a regular file');
  if (found.size > MAX_CONFIG_BYTES)
    throw new Error(`it has ${found.size} bytes, more than ${MAX_CONFIG_BYTES}`);
  const bytes = await readFile(path);
  const text = bytes.toString('utf8');
  // What is no UTF-8 would come back as something else.
  if (!Buffer.from(text).equals(bytes)) throw new Error('it is no UTF-8');
  return text;
}

async function replace(
  path: string,
  found: Stats | undefined,
  text: string,
  isHeld: () => Promise<boolean>,
): Promise<void> {
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES)
    throw new Error(`it would have more than ${MAX_CONFIG_BYTES} bytes`);
  // Replacing takes no leave of the file itself: whoever made it read-only wants it to stay as it is, also from root.
  if (found && (found.mode & 0o222) === 0) throw new Error('it is read-only');
  if (found) await access(path, constants.W_OK);
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, text, { mode: 0o600 });
    if (found) {
      const made = await stat(draft);
      if (made.uid !== found.uid || made.gid !== found.gid) await chown(draft, found.uid, found.gid);
      await chmod(draft, found.mode & 0o7777);
    }
    if (!(await isHeld())) throw new Error('somebody else changes it at the same time: try again');
    await rename(draft, path);
  } catch (error) {
    await unlink(draft).catch(() => {});
    throw error;
  }
}

/** What the file system says becomes an error that names the file and says what to do; others stay what they are. */
async function atFile<T>(path: string, verb: 'read' | 'write', work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof OllanaError && error.code !== 'OLLANA_START_FAILED') throw error;
    const remedy =
      'nothing has been changed; edit it as a user who may, then `ollana reload` (`systemctl reload ollana` for the service)';
    throw new OllanaError('OLLANA_UNREADABLE_FILE', `cannot ${verb} ${path}: ${reasonOf(error)}; ${remedy}`, {
      status: 409,
      cause: error,
    });
  }
}

const orMissing =
  <T>(value: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
