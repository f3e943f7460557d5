import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { makeFileOnce } from '../config/private-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';

const FILE = 'shown-id-secret';
const BYTES = 32;

/** Makes the id, 64 lower-case hex digits, that the holder of a certificate (its SHA-256, hex) is shown. */
export type ShownIds = (certificateSha256: string) => string;

/**
 * The ids by which servers of the Rust ollana know this installation. Such an id opens the server to whoever shows it,
 * so there is one for each certificate, made with a secret of the data directory: who gets to see one, because it
 * answered first, has a certificate of its own and learns nothing that opens another server. The public DeviceId
 * would open all of them to everybody. The secret is made when the first id is asked for, which throws
 * OLLANA_UNREADABLE_FILE where the directory cannot be used.
 */
export function shownIds(dataDir: string): ShownIds {
  let secret: Buffer | undefined;
  return (certificateSha256) => {
    secret ??= loadSecret(dataDir);
    return createHmac('sha256', secret).update(certificateSha256).digest('hex');
  };
}

/** The same for whoever may write nothing: undefined while no id has ever been shown. */
export function shownIdsIfAny(dataDir: string): ShownIds | undefined {
  return existsSync(join(dataDir, FILE)) ? shownIds(dataDir) : undefined;
}

function loadSecret(dataDir: string): Buffer {
  const path = join(dataDir, FILE);
  let text: string;
  try {
    ensurePrivateDir(dataDir, 'name another with --data-dir DIR');
    makeFileOnce(path, () => `${randomBytes(BYTES).toString('hex')}\n`);
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    if (cause instanceof OllanaError) throw cause;
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot keep a secret in ${dataDir} (${reasonOf(cause)}); name a writable directory with --data-dir`,
      { cause },
    );
  }
  if (new RegExp(`^[0-9a-f]{${2 * BYTES}}$`).test(text)) return Buffer.from(text, 'hex');
  throw new OllanaError(
    'OLLANA_UNREADABLE_FILE',
    `${path} does not hold a secret (64 hex digits); remove it, and allow the new ids on servers of the Rust ollana`,
  );
}
