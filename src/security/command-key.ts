import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { giveToDirOwner, makeFileOnce } from '../config/private-file.ts';
import { hashOf, looksLikeKey, matchingKey, newKey } from './api-key.ts';

const FILE = 'command-key';

/**
 * Makes, unless it is there, the key by which the commands of whoever may read the data directory (`ollana pull`, `rm`,
 * `unload`) pass where keys are required. Throws OLLANA_START_FAILED and what the file system says.
 */
export function makeCommandKeyOnce(dataDir: string): void {
  const path = join(dataDir, FILE);
  ensurePrivateDir(dataDir, 'name another with --data-dir DIR');
  makeFileOnce(path, () => `${newKey()}\n`);
  giveToDirOwner(path);
}

/** That key; undefined where keys have never been required, or the file is another user's. Never throws. */
export function commandKey(dataDir: string): string | undefined {
  try {
    const key = readFileSync(join(dataDir, FILE), 'utf8').trim();
    return looksLikeKey(key) ? key : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a text is that key. The file is read each time, which takes some 20 us: another daemon of the same directory
 * may have made it a moment ago. Never throws.
 */
export function isCommandKey(dataDir: string, shown: string): boolean {
  const key = looksLikeKey(shown) ? commandKey(dataDir) : undefined;
  return key !== undefined && matchingKey([{ hash: hashOf(key) }], shown) !== undefined;
}
