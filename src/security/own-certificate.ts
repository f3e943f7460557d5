import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { giveToDirOwner, makeFileOnce } from '../config/private-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { rustKeyAndCertificate } from './rust-identity.ts';
import { type KeyAndCertificate, selfSigned } from './self-signed.ts';

/** Key and certificate in one file of the data directory: there is never one without the other. */
export const IDENTITY_FILE = 'tls.pem';

/** What it is made out to; nobody checks it, since it is self-signed. */
const NAME = 'ollana';

/**
 * This installation's TLS key and certificate, made on first need in the data directory, for this user only; those of
 * an ollana in Rust that was here before are taken over. Two processes that start at once agree on one. Throws
 * `OLLANA_UNREADABLE_FILE` when the directory cannot be used, or the file is somebody else's or holds something else.
 */
export function loadCertificate(dataDir: string): KeyAndCertificate {
  const path = join(dataDir, IDENTITY_FILE);
  let text: string;
  try {
    ensurePrivateDir(dataDir, 'name another with --data-dir DIR');
    const isNew = !existsSync(path);
    makeFileOnce(path, () => {
      const { key, cert } = rustKeyAndCertificate(dataDir) ?? selfSigned(NAME);
      return key + cert;
    });
    if (isNew) giveToDirOwner(path);
    keepPrivate(path);
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof OllanaError) throw cause;
    throw new OllanaError(
      'OLLANA_UNREADABLE_FILE',
      `cannot keep a TLS certificate in ${dataDir} (${reasonOf(cause)}); name a writable directory with --data-dir`,
      { cause },
    );
  }
  const found = partsOf(text);
  if (found) return found;
  throw new OllanaError(
    'OLLANA_UNREADABLE_FILE',
    `${path} does not hold a key and its certificate; remove it and new ones are made`,
  );
}

/** Whoever else owns it, or could read it, could pass for this device; a mode that is too wide is mended. */
function keepPrivate(path: string): void {
  const { uid, mode } = statSync(path);
  const us = process.getuid?.();
  if (us === undefined) return; // Windows keeps the files of a user to the user.
  // Root may look at what a daemon has that runs as another user.
  const isOurs = uid === us || (us === 0 && uid === statSync(dirname(path)).uid);
  if (!isOurs) throw new Error(`${path} belongs to another user (id ${uid})`);
  if ((mode & 0o077) !== 0) chmodSync(path, 0o600);
}

const KEY = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/;

/** The key and the certificate in a file's text; undefined when they are not there, or not for each other. */
function partsOf(text: string): KeyAndCertificate | undefined {
  const [key] = KEY.exec(text) ?? [];
  const [cert] = CERTIFICATE.exec(text) ?? [];
  if (key === undefined || cert === undefined) return undefined;
  try {
    const read = new X509Certificate(cert);
    // Signed by itself: one altered bit would make another id of it, which nobody has allowed.
    const isWhole = read.checkPrivateKey(createPrivateKey(key)) && read.verify(read.publicKey);
    return isWhole ? { key, cert } : undefined;
  } catch {
    return undefined; // Cut off or altered; the caller says so.
  }
}
