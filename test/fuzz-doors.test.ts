import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import {
  changeDevices,
  LIST_FILE,
  loadDevices,
  MAX_LIST_BYTES,
  withDevice,
  writeDevices,
} from '../src/security/allow-list.ts';
import { hashOf, newKey, readKeys, writeKeys } from '../src/security/api-key.ts';
import { changeKeys, keysFile, MAX_KEYS_BYTES } from '../src/security/key-file.ts';
import { KeyRing } from '../src/security/key-ring.ts';
import { RUST_LIST_FILE } from '../src/security/rust-identity.ts';
import { Trust } from '../src/security/trust.ts';
import { ManualClock } from './_beacon.ts';
import { temporaryDirectory } from './_daemon.ts';
import { fuzz, mutated, shown } from './_fuzz.ts';
import { damaged, isClear, isLine } from './_fuzz-damage.ts';
import { flipsOf, prefixesOf } from './_hostile.ts';

/** On a busy machine. */
vi.setConfig({ testTimeout: 120_000 });
const [OWN, FRIEND, STRANGER] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];
const DEVICE = {
  id: FRIEND,
  name: 'laptop',
  since: '2026-01-01T00:00:00.000Z',
  rights: ['inference', 'read'] as const,
};
const KEYS = [newKey(), newKey()] as [string, string];
const KEY_ROWS = [
  {
    name: 'editor',
    hash: hashOf(KEYS[0]),
    since: '2026-01-01T00:00:00.000Z',
    models: ['m', 'n'],
    rate: { count: 60, perMs: 60_000 },
  },
  { name: 'phone', hash: hashOf(KEYS[1]), since: '2026-01-01T00:00:00.000Z' },
];
test('6000 damaged lists of devices never open the door, and are not overwritten', async () => {
  using folder = temporaryDirectory('fuzz');
  const dir = folder.path;
  const [path, rust] = [join(dir, LIST_FILE), join(dir, RUST_LIST_FILE)];
  const [good, goodRust] = [writeDevices([DEVICE]), `allowed = ["${FRIEND}"]\n`];
  const trustIn = (said: string[]) =>
    new Trust({
      dataDir: dir,
      ownId: OWN,
      requirePairing: undefined,
      clock: new ManualClock(),
      onTrouble: (message, reason) => said.push(message, reason),
    });
  const flips = [...flipsOf(Buffer.from(good)), ...prefixesOf(Buffer.from(good))];
  const rustFlips = [...flipsOf(Buffer.from(goodRust)), ...prefixesOf(Buffer.from(goodRust))];
  const judge = (bytes: Buffer, isRust: boolean) => {
    const said: string[] = [];
    using trust = trustIn(said);
    // The Rust list closes the door by its ids.
    const isClosed = trust.closed || trust.rustIds.size > 0;
    if (!isClosed || trust.isPaired(STRANGER) || !said.every(isLine))
      throw new Error(`${isRust ? 'Rust list' : 'list'} ${shown(bytes)}: ${isClosed} ${said.join()}`);
  };
  await fuzz({
    name: 'lists of devices',
    cases: 6000,
    run: async (dice, index) => {
      rmSync(path, { force: true });
      rmSync(rust, { force: true });
      if (index % 2 === 0) {
        const bytes = flips[index / 2] ?? damaged(good, dice);
        writeFileSync(path, bytes);
        judge(bytes, false);
        // What cannot be read is not replaced by what could be.
        await changeDevices(dir, (devices) => withDevice(devices, { ...DEVICE, id: OWN })).catch(
          (error: unknown) => {
            if (!isClear(error) || !readFileSync(path).equals(bytes)) throw error;
          },
        );
      } else {
        const bytes = rustFlips[(index - 1) / 2] ?? mutated(Buffer.from(goodRust), dice, '[]"\', #=\n');
        writeFileSync(rust, bytes);
        // An empty list is one that says so.
        if (!/^[^#]*allowed\s*=\s*\[\s*\]\s*(#.*)?$/m.test(bytes.toString())) judge(bytes, true);
      }
    },
  });
  rmSync(path, { force: true });
  writeFileSync(path, Buffer.alloc(MAX_LIST_BYTES + 1, 0x20));
  judge(Buffer.from('huge'), false);
  await expect(loadDevices(dir)).rejects.toThrow(/bytes/);
  // A list that was read counts while it is damaged.
  writeFileSync(path, good);
  using trust = trustIn([]);
  for (const bytes of flipsOf(Buffer.from(good)).slice(0, 400)) {
    writeFileSync(path, bytes);
    trust.refresh();
    if (!trust.closed || trust.isPaired(STRANGER)) throw new Error(`opened by ${shown(bytes)}`);
  }
});

test('6000 damaged files of keys: no key is let in that was not, and none loses its limits by an altered bit', async () => {
  using folder = temporaryDirectory('fuzz');
  const dir = folder.path;
  const path = keysFile(dir);
  const good = writeKeys(KEY_ROWS);
  const said: string[] = [];
  writeFileSync(path, good);
  const ring = new KeyRing({ dataDir: dir, onTrouble: (_, reason) => said.push(reason) });
  const altered = [...flipsOf(Buffer.from(good)), ...prefixesOf(Buffer.from(good))];
  for (const bytes of altered) {
    let keys: ReturnType<typeof readKeys>;
    try {
      keys = readKeys(bytes.toString());
    } catch {
      continue;
    }
    const limited = keys.find(({ hash }) => hash === KEY_ROWS[0]?.hash);
    if (limited && (!limited.models || !limited.rate)) throw new Error(`no limit any more: ${shown(bytes)}`);
  }
  const other = newKey();
  await fuzz({
    name: 'files of keys',
    cases: 6000,
    run: async (dice) => {
      const bytes = damaged(good, dice);
      writeFileSync(path, bytes);
      if (ring.find(other)) throw new Error(`let in by ${shown(bytes)}`);
      ring.find(KEYS[0]);
      if (!said.splice(0).every(isLine)) throw new Error(`said of ${shown(bytes)}`);
      if (dice.chance(0.8)) return;
      await changeKeys(dir, (keys) => keys).catch((error: unknown) => {
        if (!isClear(error) || !readFileSync(path).equals(bytes)) throw error;
      });
    },
  });
  writeFileSync(path, good);
  expect(ring.find(KEYS[0])?.name).toBe('editor');
  writeFileSync(path, Buffer.alloc(MAX_KEYS_BYTES + 1, 0x20));
  // While it cannot be read, what was read last counts.
  expect([ring.find(KEYS[0])?.name, ring.find(other)]).toEqual(['editor', undefined]);
});
