import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrivateDir } from '../config/private-dir.ts';
import { makeFileOnce } from '../config/private-file.ts';
import { OllanaError, reasonOf } from '../errors.ts';
import { type KeyAndCertificate, selfSigned } from './self-signed.ts';

/** Key and certificate in one file: there is never one without the other. */
const FILE = 'tls.pem';

/** What it is made out to; nobody checks it, since it is self-signed. */
const NAME = 'ollana';

/**
 * This installation's TLS key and certificate, made on first need in the data directory, for this user only. Two
 * processes that start at once agree on one. Throws `OLLANA_UNREADABLE_FILE` when the directory cannot be used or the
 * file holds something else.
 */
export function loadCertificate(dataDir: string): KeyAndCertificate {
  const path = join(dataDir, FILE);
  let text: string;
  try {
    ensurePrivateDir(dataDir, 'name another with --data-dir DIR');
    makeFileOnce(path, () => {
      const { key, cert } = selfSigned(NAME);
      return key + cert;
    });
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

const KEY = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/;

/** The key and the certificate in a file's text; undefined when they are not there, or not for each other. */
function partsOf(text: string): KeyAndCertificate | undefined {
  const [key] = KEY.exec(text) ?? [];
  const [cert] = CERTIFICATE.exec(text) ?? [];
  if (key === undefined || cert === undefined) return undefined;
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)) ? { key, cert } : undefined;
  } catch {
    return undefined; // Cut off or altered; the caller says so.
  }
}
