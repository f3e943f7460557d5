import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyAndCertificate } from './self-signed.ts';

/** What the ollana in Rust (0.5 and later) has in the same data directory. */
const KEY_FILE = 'device_key.pem';
const CERTIFICATE_FILE = 'device_cert.pem';
/** The list of the ids that it serves, and uses: `allowed = ["...", ...]`. */
export const RUST_LIST_FILE = 'device_allowed.toml';

/** Each of its files has some hundred bytes; a list of a thousand devices has 70 kB. */
const MAX_BYTES = 256 * 1024;

/** Key and certificate that the ollana in Rust left in a data directory; undefined where there are none of use. */
export function rustKeyAndCertificate(dataDir: string): KeyAndCertificate | undefined {
  try {
    const key = asPem('PRIVATE KEY', readSmall(dataDir, KEY_FILE));
    const cert = asPem('CERTIFICATE', readSmall(dataDir, CERTIFICATE_FILE));
    const read = new X509Certificate(cert);
    return read.checkPrivateKey(createPrivateKey(key)) && read.verify(read.publicKey)
      ? { key, cert }
      : undefined;
  } catch {
    return undefined; // None there, or none that anybody could use: a new identity is made.
  }
}

/**
 * The id by which the ollana in Rust that was here before is known to others of its kind: the SHA-256 of its private
 * key. Whoever knows it may use the servers that allow it, so it is told only to those that know us by it. Undefined
 * where there was none.
 */
export function rustDeviceId(dataDir: string): string | undefined {
  try {
    const pem = readSmall(dataDir, KEY_FILE);
    createPrivateKey(pem); // Throws for what is no key.
    return createHash('sha256').update(bytesOf('PRIVATE KEY', pem)).digest('hex');
  } catch {
    return undefined;
  }
}

/** All that the ollana in Rust ever wrote into its list, comments of its owner aside. */
const RUST_LIST = /^\s*allowed\s*=\s*\[\s*((?:(?:"[0-9a-f]{64}"|'[0-9a-f]{64}')\s*(?:,\s*|(?=\])))*)\]\s*$/;

/**
 * The ids in the list of an ollana in Rust. Throws an Error for any other text: a list that was cut off or altered must
 * not count as the empty one, with which everybody is let in. Pure.
 */
export function readRustList(toml: string): ReadonlySet<string> {
  const [, list] = RUST_LIST.exec(toml.replace(/#.*$/gm, '')) ?? [];
  if (list === undefined) throw new Error('it is no list allowed = [...] of ids of 64 hex digits');
  return new Set(list.match(/[0-9a-f]{64}/g) ?? []);
}

function readSmall(dataDir: string, name: string): string {
  const path = join(dataDir, name);
  const found = statSync(path);
  if (!found.isFile() || found.size > MAX_BYTES) throw new Error(`${path} is none of ollana's files`);
  return readFileSync(path, 'utf8');
}

function bytesOf(label: string, pem: string): Buffer {
  const [, base64 = ''] = new RegExp(`-----BEGIN ${label}-----([^-]+)-----END ${label}-----`).exec(pem) ?? [];
  return Buffer.from(base64, 'base64');
}

/** One block, with the line ends that our own files have. */
function asPem(label: string, pem: string): string {
  const lines =
    bytesOf(label, pem)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
