import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { helpPage } from '../src/cli/help.ts';
import { OPTIONS } from '../src/config/options.ts';
import { cli, scratch } from './_cli.ts';
import { freePort } from './_ports.ts';

describe('help', () => {
  it.each(['client', 'serve', 'status', 'demo'] as const)(
    'of %s fits 80 columns and has what it takes',
    (command) => {
      const page = helpPage(command);
      for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
      expect(page).toContain('Examples:');
      expect(page).toContain('Exit codes:');
      const options = Object.values(OPTIONS);
      const takes = (flag: string) =>
        options.some((one) => one.flag === flag && (one.commands as string[]).includes(command));
      for (const { flag, env } of options)
        expect(new RegExp(`--(no-)?${flag} [^]*${env}\\b`).test(page)).toBe(takes(flag));
    },
  );

  it('is printed on stdout', async () => {
    expect(await cli(['serve', '--help'])).toEqual({ code: 0, stdout: helpPage('serve'), stderr: '' });
  });

  it('the version is the package’s', async () => {
    const { default: pkg } = await import('../package.json', { with: { type: 'json' } });
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${pkg.version}\n`, stderr: '' });
  });
});

describe('a failure is one line with a remedy, and its exit code', () => {
  const quiet = ['--interface', 'lo', '--data-dir'];
  it.each<[string, string[], Record<string, string>, number, string]>([
    ['an unknown flag', ['--prot', '1'], {}, 2, 'ollana: unknown option "--prot": did you mean --port?'],
    ['an unknown command', ['srve'], {}, 2, 'ollana: unknown command "srve": did you mean serve?'],
    [
      'a bad flag value',
      ['serve', '--port', '70000'],
      {},
      2,
      'ollana: bad port "70000" from --port: give a whole number from 0 to 65535',
    ],
    [
      'a bad variable',
      [],
      { OLLANA_CONNECT_TIMEOUT: 'soon' },
      2,
      'ollana: bad connect-timeout "soon" from OLLANA_CONNECT_TIMEOUT: give a time such as 2s, 500ms or 1m, at least 1ms',
    ],
    [
      'a bad URL',
      ['--server', 'htp://gpu'],
      {},
      2,
      'ollana: bad server "htp://gpu" from --server: give a URL such as http://192.168.1.20:11434',
    ],
    [
      'a log file that cannot be written',
      ['--log-file', '/nonexistent/x'],
      {},
      1,
      "ollana: cannot write the log file /nonexistent/x (ENOENT: no such file or directory, open '/nonexistent/x'): give another --log-file FILE",
    ],
    [
      'a data directory that cannot be made',
      ['--data-dir', '/proc/x'],
      {},
      1,
      "ollana: cannot make /proc/x (ENOENT: no such file or directory, mkdir '/proc/x'): give another --data-dir DIR",
    ],
  ])('for %s', async (_what, args, env, code, line) => {
    const where = { XDG_DATA_HOME: scratch(), OLLANA_INTERFACE: 'lo' };
    expect(await cli(args, { ...where, ...env })).toEqual({ code, stdout: '', stderr: `${line}\n` });
  });

  it('for an unreadable server file', async () => {
    const { code, stdout, stderr } = await cli([
      ...[...quiet, scratch(), '--port', '0'],
      ...['--server-file', '/nonexistent'],
    ]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^ollana: .*\/nonexistent.*--server-file\n$/);
  });

  it('for a port in use, naming the holder', async () => {
    const other = createServer((_req, res) => res.writeHead(404).end()).listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    for (const mode of [[], ['serve', '--host', '127.0.0.1']]) {
      const { code, stderr } = await cli([...mode, ...quiet, scratch(), '--port', String(port)]);
      expect(code).toBe(3);
      const holder = process.platform === 'linux' ? ` by .+ \\(pid ${process.pid}\\)` : '.*';
      expect(stderr).toMatch(
        new RegExp(`^ollana: port ${port} on 127.0.0.1 is in use${holder}: stop that, or give --port N\\n$`),
      );
    }
  });

  it('for a status without a daemon', async () => {
    const dir = scratch();
    const { code, stdout, stderr } = await cli(['status', '--data-dir', dir]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toMatch(/^ollana: no running ollana found in .*: start one .*\n$/);
  });

  it('for a daemon that gives no status', async () => {
    const dir = scratch();
    const url = `http://127.0.0.1:${await freePort()}`;
    // The pid of a process that counts as an ollana: this test's runner is asked for by its command line.
    const title = process.title;
    process.title = 'ollana test';
    onTestFinished(() => {
      process.title = title;
    });
    writeFileSync(join(dir, 'client.json'), JSON.stringify({ pid: process.pid, url, startedAt: '' }));
    const { code, stderr } = await cli(['status', '--json', '--data-dir', dir]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^ollana: ollana in client mode \\(pid ${process.pid}\\) at ${url} gave no status`),
    );
  });

  it('with the stack after it for those who debug', async () => {
    const { stderr } = await cli(['--port', 'x', '--log-level', 'debug']);
    expect(stderr).toMatch(/^ollana: bad port .*\nOllanaError: /);
  });
});
