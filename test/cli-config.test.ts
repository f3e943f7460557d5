import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cli, scratch } from './_cli.ts';

const LIMIT_MS = 60_000;

function file(text: string): string {
  const path = join(scratch(), 'config.toml');
  writeFileSync(path, text);
  return path;
}

describe('ollana config', { timeout: LIMIT_MS }, () => {
  it('shows every option with its value and source in 80 columns', async () => {
    const path = file(
      'hold = "45s"\nserver-file = "a-very-long-name-of-a-file-that-does-not-fit-a-column"\n',
    );
    const { code, stdout } = await cli(['config', '--config', path], { OLLANA_POLICY: 'first' });
    expect(code).toBe(0);
    expect(stdout).toContain(`File: ${path}\n`);
    expect(stdout).toMatch(/^hold +client 45 s +config\.toml:1$/m);
    expect(stdout).toMatch(/^policy +client first +OLLANA_POLICY$/m);
    expect(stdout).toMatch(/^port +11435 +default$/m);
    for (const line of stdout.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
    const json = JSON.parse((await cli(['config', 'show', '--json'], { OLLANA_CONFIG: path })).stdout);
    expect(json).toMatchObject({ file: path, exists: true });
    expect(json.options).toContainEqual({
      option: 'hold',
      mode: 'client',
      value: 45_000,
      unit: 'ms',
      source: `${path}:1`,
    });
  });

  it('checks the file: every mistake on a line of its own, and nothing starts with one', async () => {
    const path = file('prot = 1\nhold = "soon"\n');
    const mistakes = [
      `${path}:1: unknown key "prot": did you mean port?`,
      `bad hold "soon" from ${path}:2: give a time such as 2s, 500ms or 1m`,
    ];
    expect(await cli(['config', 'check', '--config', path])).toEqual({
      code: 2,
      stdout: '',
      stderr: mistakes.map((one) => `ollana: ${one}\n`).join(''),
    });
    const json = await cli(['config', 'check', '--json', '--config', path]);
    expect([json.code, JSON.parse(json.stdout).mistakes]).toEqual([2, mistakes]);
    for (const command of [[], ['serve'], ['config']])
      expect(
        await cli(
          [...command, '--config', path, '--data-dir', scratch()].slice(0, command[0] === 'config' ? 3 : 5),
        ),
      ).toEqual({
        code: 2,
        stdout: '',
        stderr: `ollana: ${mistakes[0]} (and 1 more: \`ollana config check\` lists all)\n`,
      });
  });

  it('finds what is wrong only together, and says when all is well', async () => {
    const path = file('port = 12345\nollama = "127.0.0.1:12345"\n');
    const wrong = await cli(['config', 'check', '--config', path]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain(`from ${path}:2: that is ollana's own address`);
    const good = file('port = 12345\n');
    expect((await cli(['config', 'check', '--config', good], { OLLANA_PORT: 'x' })).stdout).toBe(
      `${good}: good, 1 option is set\n`,
    );
    expect((await cli(['config', 'path'], { XDG_CONFIG_HOME: '/c' })).stdout).toBe('/c/ollana/config.toml\n');
  });

  it.each([
    [['config', 'shwo'], 'did you mean show?'],
    [['config', 'show', 'x'], 'unexpected argument "x"'],
    [['config', '--config', '/nonexistent/x'], 'cannot read /nonexistent/x'],
    [['status', '--config', '/etc'], 'cannot read /etc: not a regular file'],
  ])('%j is refused: %s', async (args, message) => {
    const { code, stderr } = await cli(args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it.each(['config', 'reload', 'env', 'run', 'port', 'completion'])(
    '%s has help with examples',
    async (command) => {
      const { code, stdout } = await cli([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: ollana ${command}`);
      expect(stdout).toMatch(/Examples:\n {2}\S/);
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    },
  );
});
