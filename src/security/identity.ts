import { createHash, X509Certificate } from 'node:crypto';
import { loadCertificate } from './own-certificate.ts';
import { rustDeviceId } from './rust-identity.ts';
import { type KeyAndCertificate, selfSigned } from './self-signed.ts';

/** Who this installation is to others. */
export interface OwnIdentity extends KeyAndCertificate {
  /** SHA-256 of the certificate, 64 lower-case hex digits. Public; only the key proves it. */
  readonly deviceId: string;
  /** What an ollana in Rust that was here before was known by; absent where there was none. */
  readonly rustId?: string;
  /** It could not be kept and ends with this run. */
  readonly passing?: true;
}

/** A DeviceId: 64 lower-case hex digits. */
export const DEVICE_ID = /^[0-9a-f]{64}$/;

/**
 * This installation's identity, made on first need in the data directory. Throws `OLLANA_UNREADABLE_FILE` when the
 * directory cannot be used or its file holds something else.
 */
export function loadIdentity(dataDir: string): OwnIdentity {
  const rustId = rustDeviceId(dataDir);
  return { ...identityOf(loadCertificate(dataDir)), ...(rustId !== undefined && { rustId }) };
}

/** An identity for this run only, where none can be kept. */
export function passingIdentity(): OwnIdentity {
  return { ...identityOf(selfSigned('ollana')), passing: true };
}

/** The DeviceId of whoever has this certificate, in DER. Pure. */
export function deviceIdOf(certificate: Buffer): string {
  return createHash('sha256').update(certificate).digest('hex');
}

function identityOf({ key, cert }: KeyAndCertificate): OwnIdentity {
  return { key, cert, deviceId: deviceIdOf(new X509Certificate(cert).raw) };
}
