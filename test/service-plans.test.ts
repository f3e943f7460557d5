import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shownPlan } from '../src/cli/service/act.ts';
import { type ServicePlan, servicePlan } from '../src/cli/service/plan.ts';
import { programOf } from '../src/cli/service/program.ts';
import { cli, scratch } from './_cli.ts';

const UNIT = readFileSync(new URL('../ollana.service', import.meta.url), 'utf8');
const POSIX = { program: ['/usr/bin/node', '/opt/ollana/cli.js'], user: 'ada', unit: UNIT };
const HERE = { homedir: '/home/ada', uid: 1000, env: {} };

const planOf = (
  platform: NodeJS.Platform,
  mode: 'client' | 'serve',
  isUser: boolean,
  more: Partial<typeof POSIX & typeof HERE> = {},
): ServicePlan => {
  const plan = servicePlan({ ...POSIX, mode, isUser, ...more }, { platform, ...HERE, ...more });
  if (!plan) throw new Error(`no plan for ${platform}`);
  return plan;
};

describe('systemd', () => {
  const has = spawnSync('systemd-analyze', ['--version']).status === 0;

  it.each([
    ['serve', true],
    ['client', true],
    ['serve', false],
    ['client', false],
  ] as const)('%s, for the user: %s: systemd has nothing to say against the unit', (mode, isUser) => {
    const plan = planOf('linux', mode, isUser, {
      program: [process.execPath, '/opt/with blank/100%$x/cli.js'],
    });
    const end = mode === 'serve' ? ' serve' : '';
    expect(plan.file.text).toContain(
      `ExecStart=${process.execPath} "/opt/with blank/100%%$$x/cli.js"${end}\n`,
    );
    expect(plan.file.text).toContain('Type=notify\n');
    if (!has) return;
    const path = join(scratch(), `${plan.name}.service`);
    writeFileSync(path, plan.file.text);
    const args = ['verify', ...(isUser ? ['--user'] : []), path];
    const { status, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    expect(stderr).not.toContain(path);
    if (!isUser) expect(status).toBe(0);
  });

  it('keeps the two modes of a machine apart', () => {
    const [serve, client] = [planOf('linux', 'serve', false), planOf('linux', 'client', false)];
    expect(serve.file.path).toBe('/etc/systemd/system/ollana.service');
    expect(client.file.path).toBe('/etc/systemd/system/ollana-client.service');
    expect(serve.file.text).toContain('StateDirectory=ollana\n');
    expect(client.file.text).toContain('StateDirectory=ollana-client\n');
    expect(client.file.text).toContain('DynamicUser=yes');
    expect(client.file.text).not.toMatch(/ExecStart=.* serve/);
  });

  it('names the single executable alone, with a folder for what it unpacks', () => {
    const folder = scratch();
    const script = join(folder, 'cli.js');
    writeFileSync(script, '');
    const exe = { executable: '/usr/local/bin/ollana', script, isSingle: true };
    expect(programOf(exe)).toEqual(['/usr/local/bin/ollana']);
    expect(programOf({ ...exe, executable: '/usr/bin/node', isSingle: false })).toEqual([
      '/usr/bin/node',
      script,
    ]);
    const text = (mode: 'client' | 'serve', program: readonly string[]) =>
      planOf('linux', mode, false, { program: [...program] }).file.text;
    expect(text('serve', programOf(exe))).toContain('ExecStart=/usr/local/bin/ollana serve\n');
    expect(text('serve', programOf(exe))).toContain('\nCacheDirectory=ollana\n');
    expect(text('client', programOf(exe))).toContain('\nCacheDirectory=ollana-client\n');
    expect(text('serve', POSIX.program)).not.toContain('CacheDirectory');
  });

  it('is enabled at once and undone wholly', () => {
    const plan = planOf('linux', 'client', true, { env: { XDG_CONFIG_HOME: '/c' } });
    expect(plan.file.path).toBe('/c/systemd/user/ollana-client.service');
    expect(plan.install).toContainEqual(['systemctl', '--user', 'enable', '--now', 'ollana-client.service']);
    expect(shownPlan('uninstall', plan)).toBe(
      [
        'systemctl --user disable --now ollana-client.service',
        '# remove /c/systemd/user/ollana-client.service',
        'systemctl --user daemon-reload',
        '',
      ].join('\n'),
    );
    expect(plan.hints.join()).toContain('loginctl enable-linger');
  });
});

describe('launchd', () => {
  it('has an agent of the user, whose file is XML whatever is in its paths', () => {
    const plan = planOf('darwin', 'client', true, {
      homedir: '/Users/ada',
      program: ['/a & <b>/node', '/x.js'],
    });
    expect(plan.file.path).toBe('/Users/ada/Library/LaunchAgents/ollana.client.plist');
    expect(plan.file.text).toContain(
      '<string>/a &amp; &lt;b&gt;/node</string>\n    <string>/x.js</string>\n',
    );
    expect(plan.file.text).not.toContain('UserName');
    expect(plan.install.at(-1)).toEqual(['launchctl', 'bootstrap', 'gui/1000', plan.file.path]);
    expect(plan.uninstall).toEqual([['launchctl', 'bootout', 'gui/1000/ollana.client']]);
  });

  it('has a daemon of the machine, which is not root', () => {
    const plan = planOf('darwin', 'serve', false);
    expect(plan.file.path).toBe('/Library/LaunchDaemons/ollana.serve.plist');
    expect(plan.file.text).toContain('<key>UserName</key><string>ada</string>');
    expect(plan.file.text).toContain('<string>serve</string>');
    expect(plan.status).toEqual(['launchctl', 'print', 'system/ollana.serve']);
  });

  it.each(['client', 'serve'] as const)('%s: its file is well-formed', (mode) => {
    if (spawnSync('python3', ['--version']).status !== 0) return;
    const check =
      'import plistlib,sys; print(plistlib.loads(sys.stdin.buffer.read())["ProgramArguments"][0])';
    const input = planOf('darwin', mode, mode === 'client').file.text;
    expect(spawnSync('python3', ['-c', check], { input, encoding: 'utf8' })).toMatchObject({
      stdout: '/usr/bin/node\n',
      stderr: '',
    });
  });
});

describe('the Task Scheduler', () => {
  const program = ['C:\\Program Files\\nodejs\\node.exe', 'C:\\a&b\\cli.js'];
  const windows = {
    homedir: 'C:\\Users\\ada',
    env: { LOCALAPPDATA: 'C:\\Users\\ada\\AppData\\Local' },
    program,
  };

  it('has a task for the log-on of the user, without a window', () => {
    const plan = planOf('win32', 'client', true, windows);
    expect(plan.file.path).toBe('C:\\Users\\ada\\AppData\\Local\\ollana\\ollana-client.xml');
    expect(plan.file.text).toContain(
      '<LogonTrigger><Enabled>true</Enabled><UserId>ada</UserId></LogonTrigger>',
    );
    expect(plan.file.text).toContain(
      '<Command>conhost.exe</Command><Arguments>--headless &quot;C:\\Program Files\\nodejs\\node.exe&quot; &quot;C:\\a&amp;b\\cli.js&quot;',
    );
    expect(plan.file.text).toContain('<ExecutionTimeLimit>PT0S</ExecutionTimeLimit>');
    expect(plan.install[0]).toEqual(['schtasks', '/Create', '/TN', 'ollana-client', '/XML', plan.file.path]);
    expect(plan.uninstall.at(-1)).toEqual(['schtasks', '/Delete', '/TN', 'ollana-client', '/F']);
  });

  it('has a task for the start of the machine, as an account with few rights', () => {
    const { text } = planOf('win32', 'serve', false, windows).file;
    expect(text).toContain('<BootTrigger>');
    expect(text).toContain('<UserId>S-1-5-19</UserId>');
    expect(text).toContain('&quot;--data-dir=C:\\ProgramData\\ollana\\serve&quot;');
    if (spawnSync('python3', ['--version']).status !== 0) return;
    const check =
      'import sys,xml.dom.minidom as m; m.parseString(sys.stdin.buffer.read().decode("utf8").encode("utf-16"))';
    expect(spawnSync('python3', ['-c', check], { input: text, encoding: 'utf8' }).stderr).toBe('');
  });
});

it('is not known elsewhere', () => {
  expect(
    servicePlan({ ...POSIX, mode: 'client', isUser: true }, { platform: 'freebsd', ...HERE }),
  ).toBeUndefined();
});

describe.skipIf(process.platform !== 'linux')('the command', { timeout: 60_000 }, () => {
  /** A service manager that writes down what it is told. */
  function manager(exitCode = 0) {
    const dir = scratch();
    const log = join(dir, 'calls');
    mkdirSync(join(dir, 'bin'));
    for (const name of ['systemctl', 'journalctl']) {
      const path = join(dir, 'bin', name);
      writeFileSync(path, `#!/bin/sh\necho "${name} $*" >> "${log}"\nexit ${exitCode}\n`);
      chmodSync(path, 0o755);
    }
    const env = {
      PATH: `${join(dir, 'bin')}:${process.env.PATH}`,
      HOME: dir,
      XDG_CONFIG_HOME: join(dir, 'c'),
    };
    const unit = join(dir, 'c', 'systemd', 'user', 'ollana-client.service');
    return { env, unit, calls: () => (existsSync(log) ? readFileSync(log, 'utf8') : '') };
  }

  it('installs, says how to undo it, and undoes it', async () => {
    const { env, unit, calls } = manager();
    const installed = await cli(['service', 'install', '--user'], env);
    expect([installed.code, installed.stderr]).toEqual([0, '']);
    expect(installed.stdout).toContain(`wrote ${unit}`);
    expect(installed.stdout).toContain('undo: ollana service uninstall --user\n');
    expect(readFileSync(unit, 'utf8')).toContain('ExecStart=');
    expect((await cli(['service', 'install', '--user'], env)).code).toBe(0);
    expect((await cli(['service', 'status', '--user'], env)).code).toBe(0);
    const removed = await cli(['service', 'uninstall', '--user'], env);
    expect([removed.code, removed.stderr]).toEqual([0, '']);
    expect(existsSync(unit)).toBe(false);
    expect((await cli(['service', 'uninstall', '--user'], env)).stdout).toContain('nothing to do');
    expect(calls()).toContain(
      'systemctl --user disable --now ollana-client.service\nsystemctl --user daemon-reload\n',
    );
  });

  it('changes nothing with --dry-run, and no file of somebody else', async () => {
    const { env, unit, calls } = manager();
    const dry = await cli(['service', 'install', '--user', '--dry-run'], env);
    expect(dry.stdout).toContain('systemctl --user enable --now ollana-client.service');
    expect([calls(), existsSync(unit)]).toEqual(['', false]);
    mkdirSync(join(unit, '..'), { recursive: true });
    writeFileSync(unit, '[Service]\nExecStart=/mine\n');
    for (const action of ['install', 'uninstall'])
      expect(await cli(['service', action, '--user'], env)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('not written by `ollana service`, so it stays'),
      });
    expect(readFileSync(unit, 'utf8')).toContain('/mine');
    expect(calls()).toBe('');
  });

  it('says what failed, and which call is a mistake', async () => {
    const { env } = manager(1);
    expect((await cli(['service', 'install', '--user'], env)).stderr).toContain(
      'systemctl --user daemon-reload failed',
    );
    expect((await cli(['service', 'status', '--user'], env)).code).toBe(4);
    expect((await cli(['service', 'instal'], env)).stderr).toContain('did you mean install?');
    expect(await cli(['service', 'install', '--serve', '--client'], env)).toMatchObject({ code: 2 });
  });
});
