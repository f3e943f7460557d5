import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { skipBecause } from './_skip.ts';

const UNIT = fileURLToPath(new URL('../ollana.service', import.meta.url));

describe('the systemd unit', () => {
  const missing = spawnSync('systemd-analyze', ['--version']).error;
  skipBecause(missing ? 'systemd-analyze is not installed' : undefined);

  it('has nothing that systemd warns about', () => {
    expect(spawnSync('systemd-analyze', ['verify', UNIT], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
  });

  it('gives the service directories of its own and a stop time longer than the drain', () => {
    const unit = readFileSync(UNIT, 'utf8');
    for (const line of [
      'DynamicUser=yes',
      'StateDirectory=ollana',
      'RuntimeDirectory=ollana',
      'Restart=on-failure',
    ])
      expect(unit.split('\n')).toContain(line);
    expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(30);
  });
});
