import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { appVariables, envText, shellOf } from '../src/cli/env-values.ts';
import { windowsCall } from '../src/cli/windows-command.ts';
import { startSimulatedOllama } from '../src/simulate/ollama.ts';
import { cli, scratch, startCli, until } from './_cli.ts';
import { cleanEnvironment, startDaemon } from './_daemon.ts';
import { TestProcess } from './_process.ts';

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const LIMIT_MS = 90_000;
const KEY = `ollana_${'k'.repeat(43)}`;

const start = (...args: readonly string[]) =>
  startDaemon({
    args: ['--port', '0', '--no-udp', '--no-mdns', '--no-local-fallback', ...args],
    startMs: 20_000,
    launch: (command, [_built, ...rest], env) =>
      new TestProcess(command, ['--import', 'tsx', CLI, ...rest], {
        env: cleanEnvironment({ OLLANA_INTERFACE: 'lo', ...env }),
      }),
  });

describe('ollana env and run', { timeout: LIMIT_MS }, () => {
  it('lead the apps of a shell, and one program, to the running ollana', async () => {
    await using daemon = await start();
    const at = ['--data-dir', daemon.dataDir];
    const { code, stdout } = await cli(['env', '--shell', 'bash', ...at], { OPENAI_API_KEY: 'sk-of-openai' });
    expect(code).toBe(0);
    const script = `${stdout}\necho "$OLLAMA_HOST $OPENAI_BASE_URL $OPENAI_API_KEY $ANTHROPIC_BASE_URL"`;
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe(
      `${daemon.url} ${daemon.url}/v1 ollana ${daemon.url}\n`,
    );
    const printed = 'echo "$OPENAI_BASE_URL $ANTHROPIC_AUTH_TOKEN $*"; cat; echo no >&2; exit 7';
    const ran = await cli(['run', ...at, 'sh', '-c', printed, 'sh', '--help', '-v', '--port=1', 'a b']);
    expect(ran).toEqual({
      code: 7,
      stdout: `${daemon.url}/v1 ollana --help -v --port=1 a b\n`,
      stderr: 'no\n',
    });
    expect((await cli(['run', ...at, '--', 'true'])).code).toBe(0);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'passes %s on, and ends as the program does',
    async (signal) => {
      await using daemon = await start();
      const script = `trap 'echo got; exit 9' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
      const { child, ended } = startCli(['run', '--data-dir', daemon.dataDir, 'bash', '-c', script]);
      let out = '';
      child.stdout?.on('data', (chunk) => {
        out += chunk;
      });
      await until('the program runs', () => out.includes('ready'));
      child.kill(signal);
      expect(await ended).toMatchObject({ code: 9, stdout: 'ready\ngot\n' });
    },
  );

  it('a program that a signal ends gives 128 and its number', async () => {
    await using daemon = await start();
    expect((await cli(['run', '--data-dir', daemon.dataDir, 'sh', '-c', 'kill -9 $$'])).code).toBe(137);
  });

  it('say of a model that it is none, and what to type', async () => {
    await using ollama = await startSimulatedOllama({ models: [{ name: 'no-such-app:latest' }] });
    await using daemon = await start('--server', `${ollama.url}=attic`);
    const at = ['--data-dir', daemon.dataDir];
    await until('the model is known', async () =>
      (await cli(['models', ...at])).stdout.includes('no-such-app'),
    );
    expect(await cli(['run', ...at, 'no-such-app'])).toEqual({
      code: 127,
      stdout: '',
      stderr: `ollana: there is no program no-such-app, but a model: \`ollana run\` runs programs; type \`ollana run ollama run no-such-app\`, or \`OLLAMA_HOST=${daemon.url} ollama run no-such-app\`\n`,
    });
    expect((await cli(['run', ...at, 'xyzzy-app'])).stderr).toContain(
      'there is no program xyzzy-app on the PATH',
    );
    expect(await cli(['run', ...at, '/etc/passwd'])).toMatchObject({ code: 126 });
  });

  it('need a running ollana, and run a program', async () => {
    for (const command of [['env'], ['run', 'true']])
      expect((await cli([command[0] ?? '', '--data-dir', scratch(), ...command.slice(1)])).code).toBe(4);
    const { code, stderr } = await cli(['run']);
    expect([code, stderr]).toEqual([
      2,
      'ollana: APP is missing: usage: ollana run [options] APP [ARGUMENT ...]\n',
    ]);
  });
});

describe('the variables', () => {
  it('have a key of an ollana in all places, and never a key that is for somebody else', () => {
    expect(appVariables('http://h:1', { ANTHROPIC_API_KEY: KEY })).toMatchObject({
      OPENAI_API_KEY: KEY,
      ANTHROPIC_AUTH_TOKEN: KEY,
    });
    const { OPENAI_API_KEY, ANTHROPIC_AUTH_TOKEN, ANTHROPIC_API_KEY } = appVariables('http://h:1', {
      OPENAI_API_KEY: 'sk-1',
      ANTHROPIC_API_KEY: 'sk-ant-1',
    });
    expect([OPENAI_API_KEY, ANTHROPIC_AUTH_TOKEN, ANTHROPIC_API_KEY]).toEqual(['ollana', 'ollana', '']);
  });

  it('are quoted as each shell has it', () => {
    const first = (shell: Parameters<typeof envText>[1]) => envText({ A: "it's 1%" }, shell).split('\n')[0];
    expect(first('bash')).toBe("export A='it'\\''s 1%'");
    expect(first('fish')).toBe("set -gx A 'it\\'s 1%';");
    expect(first('powershell')).toBe("$env:A = 'it''s 1%'");
    expect(first('cmd')).toBe('set "A=it\'s 1%%"');
  });

  it.each([
    [{ SHELL: '/usr/bin/fish' }, 'linux', 'fish'],
    [{ SHELL: '/bin/zsh' }, 'darwin', 'zsh'],
    [{ SHELL: '/bin/sh' }, 'linux', 'bash'],
    [{}, 'linux', 'bash'],
    [{}, 'win32', 'powershell'],
    [{ SHELL: 'C:\\Git\\usr\\bin\\bash.exe' }, 'win32', 'bash'],
  ] as const)('for %j on %s are those of %s', (env, platform, shell) => {
    expect(shellOf(env, platform)).toBe(shell);
  });
});

describe('a program on Windows', () => {
  const env = { Path: 'C:\\a;C:\\node', PATHEXT: '.EXE;.CMD', ComSpec: 'C:\\cmd.exe' };
  const find = (path: string, ...args: string[]) =>
    windowsCall([path, ...args], env, (one) => /npm\.cmd$|node\.exe$/.test(one) && !one.startsWith('C:\\a'));

  it('is found by PATH and PATHEXT; a batch file goes through cmd.exe, with nothing in it that cmd obeys', () => {
    expect(find('node', 'a b')).toEqual({ file: 'C:\\node\\node.exe', args: ['a b'], isVerbatim: false });
    expect(find('nix')).toBeUndefined();
    expect(find('npm', 'a&b', 'c "d"')).toEqual({
      file: 'C:\\cmd.exe',
      args: ['/d', '/s', '/c', '"^"C:\\node\\npm.cmd^" ^^^"a^^^&b^^^" ^^^"c^^^ \\^^^"d\\^^^"^^^""'],
      isVerbatim: true,
    });
  });
});

it('stdin reaches the program', { timeout: LIMIT_MS }, async () => {
  await using daemon = await start();
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', CLI, 'run', '--data-dir', daemon.dataDir, 'cat'],
    {
      env: cleanEnvironment(),
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stdin.end('hello');
  await once(child, 'close');
  expect(out).toBe('hello');
});
