import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { redacted } from '../src/cli/doctor/redact.ts';
import { doctorText } from '../src/cli/doctor/text.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cli, scratch } from './_cli.ts';

describe('the report', () => {
  const who = { home: '/home/ada', user: 'ada', hostname: 'ada-laptop', names: ['attic', 'den'] };

  it.each([
    ['/home/ada/.local and /home/bob/x', '~/.local and /home/USER/x'],
    ['C:\\Users\\Eve\\x', 'C:\\Users\\USER\\x'],
    ['ada on ada-laptop, adamant', 'USER on HOST, adamant'],
    ['attic and den', 'server-1 and server-2'],
    [`id ${'0123456789abcdef'.repeat(4)}`, 'id 01234567…'],
    ['http://me:pw@10.0.0.7:11434', 'http://***@10.0.0.7:11434'],
    ['8.8.8.8 10.0.0.7 192.168.1.1 172.32.0.1', 'x.x.x.x 10.0.0.7 192.168.1.1 x.x.x.x'],
    ['2001:db8::1, fe80::1%eth0, ::1, at 12:30:45', 'ipv6, ipv6, ::1, at 12:30:45'],
    ['00:1a:2b:3c:4d:5e', 'mac'],
    [`ollana_${'A'.repeat(43)} Bearer abc`, '*** Bearer ***'],
    ['2026-01-01T12:30:45.000Z llama3.2:latest', '2026-01-01T12:30:45.000Z llama3.2:latest'],
  ])('%s', (text, expected) => {
    expect(redacted({ attic: [text, 7, null] }, who)).toEqual({ attic: [expected, 7, null] });
  });

  it('is at most 80 columns wide, but for commands, and steers no terminal', () => {
    const text = doctorText([
      { id: 'x', status: 'problem', title: 'A', seen: `\u001b[31m${'word '.repeat(60)}`, remedy: ['do it'] },
      { id: 'y', status: 'ok', title: 'B', seen: 'fine', remedy: [] },
    ]);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).not.toContain('\u001b');
    expect(text).toContain('1 problem found, by 2 checks.');
  });
});

describe('the command', { timeout: 60_000 }, () => {
  const ON_LOOPBACK = {
    OLLANA_INTERFACE: 'lo',
    HTTP_PROXY: '',
    http_proxy: '',
    ALL_PROXY: '',
    all_proxy: '',
  };
  /** Ports that no other test has, nor a running ollana. */
  const PORTS = ['--port', '0', '--discovery-port', '21436', '--ollama', 'http://127.0.0.1:9'];

  it('writes a redacted report for its owner alone, and over nothing', async () => {
    const dir = scratch();
    mkdirSync(join(dir, 'data'), { mode: 0o700 });
    const file = join(dir, 'report.json');
    const args = ['doctor', ...PORTS, '--data-dir', join(dir, 'data'), '--bundle', file];
    const env = { ...ON_LOOPBACK, HOME: dir };
    const first = await cli(args, env);
    expect(first.stdout).toContain('look through it before you send it');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const report = readFileSync(file, 'utf8');
    expect(JSON.parse(report).checks.length).toBeGreaterThan(15);
    expect(JSON.parse(report).rules.length).toBeGreaterThan(3);
    expect(report).not.toContain(dir);
    const again = await cli(args, env);
    expect([again.code, again.stderr]).toEqual([
      2,
      expect.stringContaining('is there already and stays as it is'),
    ]);
    expect(readFileSync(file, 'utf8')).toBe(report);
  });

  it('ends with 1 for mistakes in the file, a proxy and a directory that others change', async () => {
    const dir = scratch();
    const config = join(dir, 'config.toml');
    writeFileSync(config, 'prot = 1\n');
    mkdirSync(join(dir, 'data'));
    const { code, stdout } = await cli(
      ['doctor', '--json', ...PORTS, '--config', config, '--data-dir', join(dir, 'file')],
      { ...ON_LOOPBACK, HTTP_PROXY: 'http://proxy:3128', NO_PROXY: '' },
    );
    expect(code).toBe(1);
    const bad = JSON.parse(stdout).checks.filter(({ status }: { status: string }) => status === 'problem');
    expect(bad.map(({ id }: { id: string }) => id)).toEqual(expect.arrayContaining(['config', 'proxy']));
    expect(bad.find(({ id }: { id: string }) => id === 'config').seen).toContain('prot');
  });

  it('tells an Ollama that listens everywhere from one that does not', async () => {
    await using ollama = await startSimulatedOllama({ models: [] });
    const args = ['doctor', '--json', '--port', '0', '--discovery-port', '21436', '--ollama', ollama.url];
    const { stdout } = await cli([...args, '--data-dir', scratch()], ON_LOOPBACK);
    const checks: { id: string; seen: string }[] = JSON.parse(stdout).checks;
    expect(checks.find(({ id }) => id === 'ollama')?.seen).toContain(ollama.url);
    if (process.platform === 'linux')
      expect(checks.find(({ id }) => id === 'ollama-address')?.seen).toContain('only this machine reaches');
  });
});
