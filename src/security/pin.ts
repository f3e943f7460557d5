import { createHash } from 'node:crypto';

/**
 * A server that is known by its certificate, which nobody but itself has made. Only who holds the key to it is spoken
 * to, by TLS, whatever the server's URL says.
 */
export interface Pin {
  /** SHA-256 of the certificate, 64 lower-case hex digits. */
  readonly sha256: string;
  /** The certificate. */
  readonly pem: string;
  /** What every request there carries, so that the server knows us; empty where it asks nobody who he is. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How a server is reached. */
export interface Dial {
  /** Base URL. */
  readonly url: string;
  /** Absent where any host that answers there will do, or the certificate authorities vouch for it. */
  readonly pin?: Pin | undefined;
}

/** The pin of a certificate (DER). Pure. */
export function pinOf(certificate: Buffer, headers: Pin['headers'] = {}): Pin {
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    sha256: createHash('sha256').update(certificate).digest('hex'),
    pem: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    headers,
  };
}

/** What `tls.connect` and `https.request` need to speak to nobody else: nothing is sent before that is certain. Pure. */
export function pinnedTls({ sha256, pem }: Pin): {
  readonly ca: string;
  readonly rejectUnauthorized: true;
  readonly ALPNProtocols: string[];
  readonly checkServerIdentity: (host: string, shown: { readonly raw: Buffer }) => Error | undefined;
} {
  return {
    ca: pem,
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    // It is made out to nobody in particular; what counts is that it is this one.
    checkServerIdentity: (_host, { raw }) =>
      pinOf(raw).sha256 === sha256 ? undefined : new Error(OTHER_CERTIFICATE),
  };
}

const OTHER_CERTIFICATE =
  'it shows another certificate than when it was first seen; if its ollana was installed anew, restart this one';

/** What to tell of a connection to a pinned server that failed: another certificate has many names in TLS. Pure. */
export function pinnedReason({ code, message }: NodeJS.ErrnoException): string {
  return /CERT|SIGNATURE|ISSUER/.test(code ?? '') ? OTHER_CERTIFICATE : message;
}

/** The same address by TLS. Pure. */
export function secureUrl(url: string): string {
  return url.replace(/^http:/, 'https:');
}
