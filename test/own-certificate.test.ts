import { X509Certificate } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadCertificate } from '../src/security/own-certificate.ts';
import { selfSigned } from '../src/security/self-signed.ts';
import { temporaryDirectory } from './_daemon.ts';
import { run } from './_process.ts';

describe('a self-signed certificate', () => {
  it('is one that TLS libraries take: version 3, its own signature, good at any time', () => {
    const { cert, key } = selfSigned('ollana');
    const read = new X509Certificate(cert);
    expect(read.subject).toBe('CN=ollana');
    expect(read.issuer).toBe('CN=ollana');
    expect(read.subjectAltName).toBe('DNS:ollana');
    expect(read.verify(read.publicKey)).toBe(true);
    expect([new Date(read.validFrom).getUTCFullYear(), new Date(read.validTo).getUTCFullYear()]).toEqual([
      1970, 9999,
    ]);
    expect(key).toContain('BEGIN PRIVATE KEY');
    expect(new X509Certificate(selfSigned('ollana').cert).serialNumber).not.toBe(read.serialNumber);
  });

  it('is well-formed whatever the length of its parts', () => {
    for (let i = 0; i < 200; i += 1) {
      const read = new X509Certificate(selfSigned('a-name-of-any-length'.repeat(1 + (i % 12))).cert);
      expect(read.verify(read.publicKey)).toBe(true);
      expect(read.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
      expect(read.toLegacyObject().subject.CN).toContain('a-name');
    }
  });
});

describe('this installation’s certificate', () => {
  it('is made at first need, for this user only, and kept', () => {
    using folder = temporaryDirectory('certificate');
    const dataDir = join(folder.path, 'new');
    const first = loadCertificate(dataDir);
    expect(readdirSync(dataDir)).toEqual(['tls.pem']);
    expect(statSync(join(dataDir, 'tls.pem')).mode & 0o777).toBe(0o600);
    expect(loadCertificate(dataDir)).toEqual(first);
  });

  it('is one for all that start at once', async () => {
    using folder = temporaryDirectory('certificate');
    const file = new URL('../src/security/own-certificate.ts', import.meta.url).href;
    const script = `import { loadCertificate } from ${JSON.stringify(file)};
      process.stdout.write(loadCertificate(process.argv[1]).cert);`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script, folder.path];
    const all = await Promise.all(Array.from({ length: 4 }, () => run(process.execPath, args)));
    const certificates = new Set(all.map(({ stdout, stderr }) => stdout || stderr));
    expect([...certificates]).toEqual([loadCertificate(folder.path).cert]);
    expect(readdirSync(folder.path)).toEqual(['tls.pem']);
  });

  it.each([
    ['nothing', () => ''],
    ['a part', (whole: string) => whole.slice(0, 300)],
    ['a key without its certificate', (whole: string) => whole.slice(0, whole.indexOf('-----BEGIN CERT'))],
    [
      'the key of another',
      (whole: string) => selfSigned('x').key + whole.slice(whole.indexOf('-----BEGIN CERT')),
    ],
  ])('is refused when its file holds %s, and the file is left as it is', (_what, spoil) => {
    using folder = temporaryDirectory('certificate');
    const path = join(folder.path, 'tls.pem');
    loadCertificate(folder.path);
    const text = spoil(readFileSync(path, 'utf8'));
    chmodSync(path, 0o600);
    writeFileSync(path, text);
    expect(() => loadCertificate(folder.path)).toThrow(
      expect.objectContaining({ code: 'OLLANA_UNREADABLE_FILE', message: expect.stringContaining(path) }),
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('says what to do where it cannot be kept, and leaves no part of it', () => {
    using folder = temporaryDirectory('certificate');
    const taken = join(folder.path, 'a-file');
    writeFileSync(taken, '');
    expect(() => loadCertificate(join(taken, 'data'))).toThrow(/--data-dir/);
    expect(readdirSync(folder.path)).toEqual(['a-file']);
  });
});
