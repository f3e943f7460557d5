import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shownIds, shownIdsIfAny } from '../src/security/shown-id.ts';
import { temporaryDirectory } from './_daemon.ts';

const [ONE, OTHER] = ['aa'.repeat(32), 'bb'.repeat(32)];

describe('the ids that servers of the Rust ollana are shown', () => {
  it('stay the same for a certificate, over restarts, and differ between two', () => {
    using data = temporaryDirectory('shown');
    const id = shownIds(data.path)(ONE);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(shownIds(data.path)(ONE)).toBe(id);
    expect(shownIds(data.path)(OTHER)).not.toBe(id);
    using elsewhere = temporaryDirectory('shown');
    expect(shownIds(elsewhere.path)(ONE)).not.toBe(id);
  });

  it('are made with a secret for this user only, which is in none of them', () => {
    using data = temporaryDirectory('shown');
    const id = shownIds(data.path)(ONE);
    const file = join(data.path, 'shown-id-secret');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain(id);
  });

  it('need no file before the first is asked for, and `discover` makes none', () => {
    using data = temporaryDirectory('shown');
    const ids = shownIds(data.path);
    expect(shownIdsIfAny(data.path)).toBe(undefined);
    expect(existsSync(join(data.path, 'shown-id-secret'))).toBe(false);
    expect(shownIdsIfAny(data.path)?.(ONE)).toBe(undefined);
    expect(ids(ONE)).toBe(shownIdsIfAny(data.path)?.(ONE));
  });

  it('are refused with what to do when the file holds something else', () => {
    using data = temporaryDirectory('shown');
    writeFileSync(join(data.path, 'shown-id-secret'), 'rubbish');
    expect(() => shownIds(data.path)(ONE)).toThrow(/does not hold a secret .* remove it/);
  });
});
