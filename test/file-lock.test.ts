import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withFileLock } from '../src/config/file-lock.ts';
import { loadDevices } from '../src/security/allow-list.ts';
import { changeKeys, loadKeys } from '../src/security/key-file.ts';
import { CLI, cleanEnvironment, temporaryDirectory } from './_daemon.ts';
import { allow } from './_paired.ts';
import { run } from './_process.ts';

const idOf = (n: number) => n.toString(16).padStart(64, '0');
const ids = (count: number) => Array.from({ length: count }, (_, n) => idOf(n));

describe('changes of a file at the same time', () => {
  it('by this process all count: devices and keys', async () => {
    using folder = temporaryDirectory('lock');
    await Promise.all(ids(20).map((id) => allow(folder.path, id)));
    expect((await loadDevices(folder.path)).map(({ id }) => id).sort()).toEqual(ids(20));
    const hash = (n: number) => idOf(n);
    const add = (n: number) =>
      changeKeys(folder.path, (keys) => [...keys, { name: `app${n}`, hash: hash(n), since: '' }]);
    await Promise.all(Array.from({ length: 20 }, (_, n) => add(n)));
    expect(await loadKeys(folder.path)).toHaveLength(20);
    expect(readdirSync(folder.path).sort()).toEqual(['devices.json', 'keys.json']);
  });

  it('by several commands all count', async () => {
    using folder = temporaryDirectory('lock');
    const env = cleanEnvironment({ OLLANA_INTERFACE: 'lo' });
    const allowed = ids(6).map((id) =>
      run(process.execPath, [CLI, 'device', 'allow', id, '--data-dir', folder.path], { env }),
    );
    expect((await Promise.all(allowed)).map(({ code, stderr }) => [code, stderr])).toEqual(
      Array(6).fill([0, '']),
    );
    expect((await loadDevices(folder.path)).map(({ id }) => id).sort()).toEqual(ids(6));
    expect(readdirSync(folder.path).sort()).toEqual(['devices.json', 'tls.pem']);
  });

  it('are not kept up by a lock that was left behind', async () => {
    using folder = temporaryDirectory('lock');
    const lock = join(folder.path, 'devices.json.lock');
    writeFileSync(lock, '');
    utimesSync(lock, new Date(0), new Date(0));
    await Promise.all(ids(5).map((id) => allow(folder.path, id)));
    expect(await loadDevices(folder.path)).toHaveLength(5);
    expect(readdirSync(folder.path)).toEqual(['devices.json']);
  });

  it('wait for no longer than 6 s, and say what is in the way', async () => {
    using folder = temporaryDirectory('lock');
    const path = join(folder.path, 'devices.json');
    const lock = `${path}.lock`;
    writeFileSync(lock, '');
    const fresh = new Date(Date.now() + 60_000);
    utimesSync(lock, fresh, fresh);
    await expect(allow(folder.path, idOf(1))).rejects.toThrow(
      /cannot change the list .*other ollana commands hold .*devices\.json\.lock: try again.*nothing was changed/,
    );
    expect(readdirSync(folder.path)).toEqual(['devices.json.lock']);
  });

  it('that took so long that the lock is another’s know it, and leave that one alone', async () => {
    using folder = temporaryDirectory('lock');
    const path = join(folder.path, 'file');
    const old = new Date(0);
    const said = await withFileLock(path, async (isHeld) => {
      expect(await isHeld()).toBe(true);
      utimesSync(`${path}.lock`, old, old);
      await withFileLock(path, async (isTheirs) => {
        expect([await isHeld(), await isTheirs()]).toEqual([false, true]);
      });
      return isHeld();
    });
    expect([said, readdirSync(folder.path)]).toEqual([false, []]);
  });
});
