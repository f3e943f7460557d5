import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { skipBecause } from './_skip.ts';

const TEXT = { encoding: 'utf8' } as const;
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

  it('leaves the service no more than 2.0 of 10 to do harm with', () => {
    const [, version] = /^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], TEXT).stdout) ?? [];
    expect(Number(version), 'systemd that rates a file, 250 or newer').toBeGreaterThanOrEqual(250);
    const args = ['security', '--offline=true', '--no-pager', '--threshold=20', UNIT];
    const { status, stdout, stderr } = spawnSync('systemd-analyze', args, TEXT);
    expect(stderr).toBe('');
    const [, exposure] = /Overall exposure level for ollana\.service: ([\d.]+)/.exec(stdout) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(2.0);
    expect(status).toBe(0);
  });

  it('takes nothing that the service needs', () => {
    const unit = readFileSync(UNIT, 'utf8');
    const settings = new Map(
      unit
        .split('\n')
        .filter((line) => /^\w+=/.test(line))
        .map((line): [string, string] => [
          line.slice(0, line.indexOf('=')),
          line.slice(line.indexOf('=') + 1),
        ]),
    );
    // The network, the list of interfaces, and D-Bus for `systemctl show`.
    const families = settings.get('RestrictAddressFamilies')?.split(' ');
    expect(families).toEqual(['AF_INET', 'AF_INET6', 'AF_NETLINK', 'AF_UNIX']);
    for (const name of [
      'PrivateNetwork',
      'IPAddressDeny',
      'SocketBindDeny',
      'MemoryDenyWriteExecute',
      'ProcSubset',
    ])
      expect(settings.get(name), name).toBeUndefined();
    // The GPU that nvidia-smi tells of.
    expect(settings.get('PrivateDevices')).toBeUndefined();
    expect(settings.get('DeviceAllow')).toBe('char-nvidia* rw');
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
