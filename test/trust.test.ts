import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LIST_FILE } from '../src/security/allow-list.ts';
import { RUST_LIST_FILE } from '../src/security/rust-identity.ts';
import { Trust } from '../src/security/trust.ts';
import { ManualClock } from './_beacon.ts';
import { temporaryDirectory } from './_daemon.ts';

describe.each([LIST_FILE, RUST_LIST_FILE])(
  'a list of devices that is there and cannot be read (%s)',
  (name) => {
    const trustIn = (dataDir: string, troubles: string[]) =>
      new Trust({
        dataDir,
        ownId: 'a'.repeat(64),
        requirePairing: undefined,
        clock: new ManualClock(),
        onTrouble: (message) => troubles.push(message),
      });

    it('lets nobody in, and says so once', () => {
      using folder = temporaryDirectory('trust');
      mkdirSync(join(folder.path, name));
      const troubles: string[] = [];
      using trust = trustIn(folder.path, troubles);
      trust.refresh();
      expect(trust.closed).toBe(true);
      expect(troubles).toEqual([expect.stringContaining(name)]);
    });

    it('counts as it should once it can be read', () => {
      using folder = temporaryDirectory('trust');
      const path = join(folder.path, name);
      mkdirSync(path);
      using trust = trustIn(folder.path, []);
      rmdirSync(path);
      const id = 'b'.repeat(64);
      writeFileSync(
        path,
        name === LIST_FILE ? JSON.stringify({ version: 1, devices: [] }) : `allowed = ["${id}"]\n`,
      );
      trust.refresh();
      expect([trust.closed, trust.rustIds.has(id)]).toEqual([name === LIST_FILE, name !== LIST_FILE]);
    });
  },
);
