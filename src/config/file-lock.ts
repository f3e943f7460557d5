import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { sleepAwake, systemClock } from '../clock.ts';

/** Reading and writing some kilobytes takes milliseconds: who has held a lock for so long was killed, ms. */
const STALE_MS = 3000;
/** Longer than a stale lock lasts, and as long as a person waits for a command, ms. */
const WAIT_MS = 6000;
const LOOK_EVERY_MS = 20;

/**
 * Runs `change` while no other process, and nobody else in this one, changes the file at `path` in this way: between
 * reading it and replacing it nothing is lost. The lock is a file beside it; one that was left behind counts for 3 s.
 * `isHeld` says whether the lock is ours still, to be asked before the file is replaced. Rejects with what `change` and
 * the file system say, and with an Error when others have held the lock for 6 s.
 */
export async function withFileLock<T>(
  path: string,
  change: (isHeld: () => Promise<boolean>) => Promise<T>,
): Promise<T> {
  const lock = `${path}.lock`;
  const own = await take(lock);
  const isHeld = async () => (await wordIn(lock)) === own;
  try {
    return await change(isHeld);
  } finally {
    if (await isHeld()) await unlink(lock).catch(() => {});
  }
}

/** Makes the lock file; resolves with the word in it, which no other has. */
async function take(lock: string): Promise<string> {
  const deadline = systemClock.now() + WAIT_MS;
  const own = randomUUID();
  while (!(await make(lock, own))) {
    await removeStale(lock);
    if (systemClock.now() > deadline)
      throw new Error(`other ollana commands hold ${lock}: try again, and remove it if none is running`);
    // A command has nothing else that would keep it alive.
    await sleepAwake(LOOK_EVERY_MS);
  }
  return own;
}

/** False when there is one already. */
async function make(lock: string, word: string): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(lock, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    await file.writeFile(word);
  } catch (error) {
    await unlink(lock).catch(() => {}); // The disk is full.
    throw error;
  } finally {
    await file.close();
  }
  return true;
}

/** Takes away a lock that was left behind; whoever finds that it has taken away another one puts that back. */
async function removeStale(lock: string): Promise<void> {
  try {
    const { ino, mtimeMs } = await stat(lock);
    if (systemClock.wall() - mtimeMs < STALE_MS) return;
    const aside = `${lock}.${randomUUID()}`;
    await rename(lock, aside);
    const taken = await stat(aside);
    if (taken.ino === ino && taken.mtimeMs === mtimeMs) await unlink(aside);
    else await rename(aside, lock);
  } catch (error) {
    // It was given back, or taken away, meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** Undefined where there is none, or another user's. */
function wordIn(lock: string): Promise<string | undefined> {
  return readFile(lock, 'utf8').catch(() => undefined);
}
