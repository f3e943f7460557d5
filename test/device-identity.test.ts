import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  changeDevices,
  deviceName,
  loadDevices,
  readDevices,
  withDevice,
} from '../src/security/allow-list.ts';
import { loadIdentity, passingIdentity } from '../src/security/identity.ts';
import { readRustList } from '../src/security/rust-identity.ts';
import { Trust } from '../src/security/trust.ts';
import { wordsOf } from '../src/security/words.ts';
import { fasterClock } from './_cluster-config.ts';
import { temporaryDirectory } from './_daemon.ts';
import { until } from './_deadline.ts';
import { allow, disable } from './_paired.ts';
import { skipBecause } from './_skip.ts';

const modeOf = (path: string) => statSync(path).mode & 0o777;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** What the ollana in Rust 0.6 wrote, and the id that it showed. */
const RUST_ID = '90a6af8021e4acdadd346e7fb8a2500d3a7da798a2ff2099b40bf89bb0ae5ae8';
const RUST_KEY = [
  '-----BEGIN PRIVATE KEY-----',
  'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5AuuCpMzvF8kO3/Y',
  'cf8U8D2UcAcNXhSmi5sbI33i1bOhRANCAAT/TqR05VsR4y8tK1a2uSX78QmQMd7G',
  'NoXSQtNI2x1/5kbQ5rsx/hBxcZhjZtZW2GzsSq8sdDkNNpe23Ip/pIH0',
  '-----END PRIVATE KEY-----',
].join('\n');
const RUST_CERTIFICATE = [
  '-----BEGIN CERTIFICATE-----',
  'MIIBVDCB/KADAgECAhQF2OVfX6HAYagsZbryQWoGaQ3PtjAKBggqhkjOPQQDAjAh',
  'MR8wHQYDVQQDDBZyY2dlbiBzZWxmIHNpZ25lZCBjZXJ0MCAXDTc1MDEwMTAwMDAw',
  'MFoYDzQwOTYwMTAxMDAwMDAwWjAhMR8wHQYDVQQDDBZyY2dlbiBzZWxmIHNpZ25l',
  'ZCBjZXJ0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/06kdOVbEeMvLStWtrkl',
  '+/EJkDHexjaF0kLTSNsdf+ZG0Oa7Mf4QcXGYY2bWVths7EqvLHQ5DTaXttyKf6SB',
  '9KMQMA4wDAYDVR0RBAUwA4IBKjAKBggqhkjOPQQDAgNHADBEAiAU81BCIsFZ+MNQ',
  'RumbWZVVyLwTsmNSrwBasfaZJuuoMwIgAWamblAtoNpCzO3J86LFFzXU4mqP2url',
  'oWdqSc9+tis=',
  '-----END CERTIFICATE-----',
].join('\n');

function rustDirectory(path: string, lineEnd = '\n'): void {
  mkdirSync(path, { recursive: true });
  const withEnds = (pem: string) => pem.replaceAll('\n', lineEnd) + lineEnd;
  writeFileSync(join(path, 'device_key.pem'), withEnds(RUST_KEY), { mode: 0o400 });
  writeFileSync(join(path, 'device_cert.pem'), withEnds(RUST_CERTIFICATE), { mode: 0o400 });
  writeFileSync(join(path, 'device_allowed.toml'), `allowed = ["${'1'.repeat(64)}", "${'2'.repeat(64)}"]\n`);
}

describe('the identity of an installation', () => {
  it('is the SHA-256 of its certificate, made on first need, for this user only, and kept', () => {
    using folder = temporaryDirectory('identity');
    const dataDir = join(folder.path, 'new', 'data');
    const { deviceId, key, cert, rustId } = loadIdentity(dataDir);
    expect(deviceId).toBe(sha256(new X509Certificate(cert).raw));
    expect(rustId).toBeUndefined();
    expect(key).toContain('PRIVATE KEY');
    expect(modeOf(dataDir)).toBe(0o700);
    expect(readdirSync(dataDir)).toEqual(['tls.pem']);
    expect(modeOf(join(dataDir, 'tls.pem'))).toBe(0o600);
    expect(loadIdentity(dataDir).deviceId).toBe(deviceId);
    expect(passingIdentity().deviceId).not.toBe(deviceId);
  });

  it('is kept from others when its file has become readable to them', () => {
    using folder = temporaryDirectory('identity');
    loadIdentity(folder.path);
    chmodSync(join(folder.path, 'tls.pem'), 0o644);
    loadIdentity(folder.path);
    expect(modeOf(join(folder.path, 'tls.pem'))).toBe(0o600);
  });

  it('has words to be compared aloud: the same for the same id, others for another', () => {
    const id = loadIdentityOnce();
    expect(wordsOf(id).split(' ')).toHaveLength(8);
    // Two versions must read the same words aloud.
    expect(wordsOf('0123456789abcdef'.repeat(4))).toBe(
      'actor camel desert giant kitchen nougat quartz umbrella',
    );
    const ends = (byte: number) => wordsOf(Buffer.alloc(32, byte).toString('hex')).split(' ')[0] ?? '';
    const all = Array.from({ length: 256 }, (_, byte) => ends(byte));
    expect(new Set(all).size).toBe(256);
    expect(all.every((word) => /^[a-z]{3,9}$/.test(word))).toBe(true);
  });
});

describe('a file of another user', () => {
  skipBecause(process.getuid?.() === 0 ? undefined : 'giving files to another user takes root');

  it('is not taken from a file of another user', () => {
    using folder = temporaryDirectory('identity');
    loadIdentity(folder.path);
    chownSync(join(folder.path, 'tls.pem'), 12_345, 12_345);
    expect(() => loadIdentity(folder.path)).toThrow(/belongs to another user \(id 12345\)/);
  });

  it('made by root belongs to the user of the directory, as the list does', async () => {
    using folder = temporaryDirectory('identity');
    chownSync(folder.path, 12_345, 12_346);
    const { deviceId } = loadIdentity(folder.path);
    await allow(folder.path, 'a'.repeat(64));
    for (const name of ['tls.pem', 'devices.json']) {
      const { uid, gid } = statSync(join(folder.path, name));
      expect([uid, gid, modeOf(join(folder.path, name))]).toEqual([12_345, 12_346, 0o600]);
    }
    expect(loadIdentity(folder.path).deviceId).toBe(deviceId);
  });
});

function loadIdentityOnce(): string {
  using folder = temporaryDirectory('identity');
  return loadIdentity(folder.path).deviceId;
}

describe('the data directory of an ollana in Rust', () => {
  it.each(['\n', '\r\n'])(
    'is taken over: its key, its certificate, the id it is known by (line end %j)',
    (end) => {
      using folder = temporaryDirectory('rust');
      rustDirectory(folder.path, end);
      const first = loadIdentity(folder.path);
      const { deviceId, rustId, cert } = first;
      expect(rustId).toBe(RUST_ID);
      expect(deviceId).toBe(sha256(new X509Certificate(RUST_CERTIFICATE).raw));
      expect(new X509Certificate(cert).raw).toEqual(new X509Certificate(RUST_CERTIFICATE).raw);
      expect(modeOf(join(folder.path, 'tls.pem'))).toBe(0o600);
      expect(readFileSync(join(folder.path, 'device_key.pem'), 'utf8')).toContain('BEGIN');
      expect(loadIdentity(folder.path)).toEqual(first);
    },
  );

  it('that is broken gives way to an identity of our own', () => {
    using folder = temporaryDirectory('rust');
    rustDirectory(folder.path);
    chmodSync(join(folder.path, 'device_key.pem'), 0o600);
    writeFileSync(join(folder.path, 'device_key.pem'), RUST_KEY.slice(0, 100));
    expect(loadIdentity(folder.path).rustId).toBeUndefined();
  });

  it('has its list read, and nothing else taken for one', () => {
    const [one, two] = ['1'.repeat(64), 'ab'.repeat(32)];
    expect([...readRustList(`allowed = ["${one}", '${two}']`)]).toEqual([one, two]);
    expect([...readRustList(`# mine\nallowed = [\n  "${one}",\n  "${two}",\n]\n`)]).toEqual([one, two]);
    expect(readRustList('allowed = [] # nobody yet\n').size).toBe(0);
  });

  it.each([
    '',
    'allowed = ["xyz"]',
    `other = ["${'1'.repeat(64)}"]`,
    `allowed = "${'1'.repeat(64)}"`,
    'allowed = ["1',
  ])('does not take %s for the empty list, which lets everybody in', (text) => {
    expect(() => readRustList(text)).toThrow('no list');
  });
});

describe('the list of paired devices', () => {
  const ID = 'd'.repeat(64);

  it('is a file for this user only, changed whole', async () => {
    using folder = temporaryDirectory('list');
    const dataDir = join(folder.path, 'data');
    await allow(dataDir, ID, 'laptop');
    expect(modeOf(join(dataDir, 'devices.json'))).toBe(0o600);
    expect(readdirSync(dataDir)).toEqual(['devices.json']);
    expect(await loadDevices(dataDir)).toEqual([
      { id: ID, name: 'laptop', since: '2026-01-01T00:00:00.000Z', rights: ['inference', 'read'] },
    ]);
    await allow(dataDir, ID, '', true);
    expect(await loadDevices(dataDir)).toMatchObject([
      { name: 'laptop', rights: ['inference', 'read', 'manage'] },
    ]);
    await disable(dataDir, ID);
    expect(await loadDevices(dataDir)).toEqual([]);
  });

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"devices":{}}',
    '{"devices":[1]}',
    '{"devices":[{"id":"abc","rights":[]}]}',
    `{"devices":[{"id":"${ID}"}]}`,
    `{"devices":[${Array(1001).fill(`{"id":"${ID}","rights":[]}`)}]}`,
  ])('is refused as a whole when it is %.30s', async (text) => {
    expect(() => readDevices(text)).toThrow();
    using folder = temporaryDirectory('list');
    writeFileSync(join(folder.path, 'devices.json'), text);
    await expect(changeDevices(folder.path, (devices) => devices)).rejects.toThrow(/nothing was changed/);
    expect(readFileSync(join(folder.path, 'devices.json'), 'utf8')).toBe(text);
  });

  it('keeps names of others harmless, and unknown rights out', () => {
    expect(deviceName('\u001b[31mred\n\u202e')).toBe('[31mred');
    expect(deviceName('x'.repeat(100))).toHaveLength(64);
    const text = JSON.stringify({
      devices: [{ id: ID, name: 'a\u0000b', since: 1, rights: ['read', 'root'] }],
    });
    expect(readDevices(text)).toEqual([{ id: ID, name: 'ab', since: '', rights: ['read'] }]);
    expect(withDevice([], { id: ID, name: 'a', since: 's', rights: [] })).toHaveLength(1);
  });
});

describe('trust', () => {
  const OWN = 'e'.repeat(64);
  const OTHER = 'f'.repeat(64);
  const start = (dataDir: string, requirePairing?: boolean) => {
    const troubles: string[] = [];
    const onTrouble = (message: string) => void troubles.push(message);
    const trust = new Trust({ dataDir, ownId: OWN, requirePairing, clock: fasterClock(20), onTrouble });
    return Object.assign(trust, { troubles });
  };

  it('is open until a device is allowed, follows the list, and stays closed', async () => {
    using folder = temporaryDirectory('trust');
    using trust = start(folder.path);
    let changes = 0;
    trust.onChange(() => {
      changes += 1;
    });
    expect([trust.closed, trust.isPaired(OTHER), trust.isPaired(OWN)]).toEqual([false, false, true]);
    await allow(folder.path, OTHER, 'laptop');
    await until(2000, 'the list to be read', () => trust.isPaired(OTHER));
    expect([trust.closed, trust.device(OTHER)?.name, changes]).toEqual([true, 'laptop', 1]);
    await disable(folder.path, OTHER);
    await until(2000, 'the list to be read', () => !trust.isPaired(OTHER));
    expect([trust.closed, trust.isPaired(OWN), changes]).toEqual([true, true, 2]);
    using later = start(folder.path);
    expect(later.closed).toBe(true);
  });

  it('keeps the last list while it cannot be read or is gone, and says so once', async () => {
    using folder = temporaryDirectory('trust');
    await allow(folder.path, OTHER);
    using trust = start(folder.path);
    const { rmSync } = await import('node:fs');
    rmSync(join(folder.path, 'devices.json'));
    trust.refresh();
    expect([trust.closed, trust.isPaired(OTHER)]).toEqual([true, true]);
    writeFileSync(join(folder.path, 'devices.json'), '{"devices":');
    trust.refresh();
    trust.refresh();
    expect([trust.closed, trust.isPaired(OTHER)]).toEqual([true, true]);
    expect(trust.troubles).toEqual([expect.stringContaining('devices.json')]);
    await expect(allow(folder.path, 'a'.repeat(64))).rejects.toThrow(/nothing was changed/);
  });

  it('trusts nobody when it has never read the list', () => {
    using folder = temporaryDirectory('trust');
    writeFileSync(join(folder.path, 'devices.json'), 'rubbish');
    using trust = start(folder.path);
    expect([trust.closed, trust.isPaired(OTHER), trust.troubles.length]).toEqual([true, false, 1]);
  });

  it('is what the user says, where the user says it', async () => {
    using folder = temporaryDirectory('trust');
    using required = start(folder.path, true);
    expect(required.closed).toBe(true);
    await allow(folder.path, OTHER);
    using open = start(folder.path, false);
    expect(open.closed).toBe(false);
  });
});
