import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A private key and its certificate, as PEM. */
export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
}

/** DER tags (X.690) that a certificate of ours needs. */
const TAG = {
  integer: 2,
  bits: 3,
  octets: 4,
  oid: 6,
  utf8: 12,
  utcTime: 23,
  time: 24,
  sequence: 48,
  set: 49,
};
/** `[0]` around the version, `[3]` around the extensions, `[2]` for a DNS name (RFC 5280 sections 4.1, 4.2.1.6). */
const CONTEXT = { version: 0xa0, extensions: 0xa3, dnsName: 0x82 };

/** Object identifiers, encoded: 1.2.840.10045.4.3.2, 2.5.4.3, 2.5.29.17. */
const ECDSA_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('550403', 'hex');
const ALT_NAME = Buffer.from('551d11', 'hex');

/** Bytes of a serial number: enough that no two are the same; RFC 5280 allows 20. */
const SERIAL_BYTES = 16;

/**
 * Makes a P-256 key and a certificate for it, signed by itself, in the one form that is needed: X.509 v3 for `name`
 * (ASCII). It is valid from 1970 to the day that RFC 5280 (4.1.2.5) has for "no end", so that no clock is asked.
 *
 * Node reads certificates but does not write them. The libraries that do stop the process for some 0.1 s while they
 * load and sign, for 300 bytes of which only the key and the serial number ever differ.
 */
export function selfSigned(name: string): KeyAndCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(TAG.sequence, der(TAG.oid, ECDSA_SHA256));
  const commonName = [der(TAG.oid, COMMON_NAME), der(TAG.utf8, Buffer.from(name))];
  const who = der(TAG.sequence, der(TAG.set, der(TAG.sequence, ...commonName)));
  const altName = der(TAG.sequence, der(CONTEXT.dnsName, Buffer.from(name)));
  const body = der(
    TAG.sequence,
    der(CONTEXT.version, der(TAG.integer, Buffer.from([2]))), // 2 is v3.
    der(TAG.integer, serialNumber()),
    algorithm,
    who,
    der(
      TAG.sequence,
      der(TAG.utcTime, Buffer.from('700101000000Z')),
      der(TAG.time, Buffer.from('99991231235959Z')),
    ),
    who,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      CONTEXT.extensions,
      der(TAG.sequence, der(TAG.sequence, der(TAG.oid, ALT_NAME), der(TAG.octets, altName))),
    ),
  );
  // The first byte counts the bits that are unused in the last one.
  const signature = der(TAG.bits, Buffer.from([0]), sign('sha256', body, privateKey));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem(der(TAG.sequence, body, algorithm, signature)),
  };
}

/** Positive and as short as DER wants it: the first byte is from 0x40 to 0x7f. */
function serialNumber(): Buffer {
  const serial = randomBytes(SERIAL_BYTES);
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  return serial;
}

/** One DER value; no part of a certificate of ours has 64 kB. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), value]);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
